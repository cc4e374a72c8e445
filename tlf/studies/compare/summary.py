"""What ``tlf compare`` prints."""

from collections.abc import Iterator

from tlf.metrics.verdict import verdict
from tlf.runtime.text import printable
from tlf.studies.compare.compared import Compared, ComparedRecipe
from tlf.tasks import DEFAULT, TASKS

METRIC = TASKS[DEFAULT].metrics[0]
CHOSEN = (
    "each run is measured in its best epoch, which the same images have chosen: all figures are a "
    "little too high"
)


def lines(compared: Compared) -> Iterator[str]:
    """The table and the verdicts."""
    if compared.question:
        yield f"question  {compared.question}"
    yield (
        f"compared  {len(compared.recipes)} recipes, {len(compared.seeds)} seeds each, on "
        f"{compared.images:,} eval images"
    )
    yield f"note      {CHOSEN}\n"
    yield f"{METRIC.title:>7}   {'95 % interval':14}   of seeds        seconds   recipe"
    yield from map(_row, compared.recipes)
    yield f"\ncompared with {printable(compared.recipes[0].name)}:"
    yield from (f"  {text}" for text in verdicts(compared))


def verdicts(compared: Compared) -> Iterator[str]:
    """A sentence for each recipe but the best."""
    best, *others = compared.recipes
    for one in others:
        if one.behind is not None:
            yield f"{printable(one.name)}: {verdict(best.name, one.name, one.behind)}"


def _row(one: ComparedRecipe) -> str:
    figure = one.accuracy
    low, high = min(one.of_seeds), max(one.of_seeds)
    return (
        f"{_percent(figure.value):>7}   {_percent(figure.low):>6}–{_percent(figure.high):7}   "
        f"{100 * low:.1f}–{_percent(high):7}   {one.seconds:>8.1f}   "
        f"{printable(one.name)}"
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
