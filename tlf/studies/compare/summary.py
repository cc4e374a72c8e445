"""What ``tlf compare`` prints."""

from collections.abc import Iterator

from tlf.metrics.verdict import verdict
from tlf.runtime.text import duration, printable
from tlf.studies.accuracy import METRIC, columns, heading, percent
from tlf.studies.compare.compared import Compared, ComparedRecipe, ComparedRun

CHOSEN = (
    "each run is measured in its best epoch, which the same images have chosen: all figures are a "
    "little too high"
)


def progress_line(event: ComparedRun) -> str:
    """A line about a run that has ended."""
    left = f"; about {duration(event.left)} left" if event.left else ""
    return f"{printable(event.title)}: {METRIC.title} {percent(event.accuracy)}{left}"


def lines(compared: Compared) -> Iterator[str]:
    """The table and the verdicts."""
    if compared.question:
        yield f"question  {compared.question}"
    yield (
        f"compared  {len(compared.recipes)} recipes, {len(compared.seeds)} seeds each, on "
        f"{compared.images:,} eval images"
    )
    yield f"note      {CHOSEN}\n"
    yield f"{heading()}   worst–best seed    seconds   recipe"
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
    seeds = f"{100 * min(one.of_seeds):.1f}–{percent(max(one.of_seeds))}"
    return f"{columns(one.accuracy)}   {seeds:15}   {one.seconds:>8.1f}   {printable(one.name)}"
