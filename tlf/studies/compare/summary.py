"""What ``tlf compare`` prints."""

from collections.abc import Iterator

from tlf.metrics.text import groups_sentence
from tlf.metrics.verdict import verdict
from tlf.results import EVAL, TRAIN
from tlf.runtime.text import duration, printable
from tlf.studies.accuracy import columns, heading, percent
from tlf.studies.compare.compared import Compared, ComparedRecipe, ComparedRun

CHOSEN = (
    "each run is measured in its best epoch, which the same images have chosen: all figures are a "
    "little too high"
)


OVERLAP = (
    "the train images of folds overlap, so folds are no independent results: intervals are wider "
    "for that (Nadeau and Bengio, 2003); seeds of a fold count as one result, their mean"
)


def how(compared: Compared) -> str:
    """Over what the recipes were compared."""
    seeds = f"{len(compared.seeds)} seed{'' if len(compared.seeds) == 1 else 's'}"
    if compared.folds:
        return (
            f"{compared.folds} folds of {compared.images:,} images, each held out once, {seeds} "
            "each"
        )
    return f"{seeds} each, on {compared.images:,} eval images"


def progress_line(event: ComparedRun) -> str:
    """A line about a run that has ended."""
    left = f"; about {duration(event.left)} left" if event.left else ""
    return f"{printable(event.title)}: {event.metric.title} {percent(event.accuracy)}{left}"


def notes(compared: Compared) -> Iterator[str]:
    """What to know about the figures: one sentence each."""
    if not all(one.monitor.startswith(TRAIN) for one in compared.recipes):
        yield CHOSEN
    yield from _monitors(compared)
    yield from compared.cautions
    if compared.folds:
        yield OVERLAP
    if compared.groups is not None:
        yield groups_sentence(compared.groups).rstrip(".")


def _monitors(compared: Compared) -> Iterator[str]:
    """That recipes choose their epochs by another figure than they are compared by."""
    metric = compared.metric
    each = [
        f"{printable(one.name)} by {one.monitor}"
        + ("" if one.monitored is None else f" (mean {one.monitored:.4g})")
        for one in compared.recipes
    ]
    if any(one.monitor not in ("", f"{EVAL}{metric.name}") for one in compared.recipes):
        yield (
            f"recipes are compared by {metric.title}, and choose their best epochs by a figure of "
            f"their own: {', '.join(each)}"
        )


def lines(compared: Compared) -> Iterator[str]:
    """The table and the verdicts."""
    if compared.question:
        yield f"question  {compared.question}"
    yield f"compared  {len(compared.recipes)} recipes, {how(compared)}"
    yield from (f"note      {text}" for text in notes(compared))
    yield f"\n{heading(compared.metric)}   worst–best {compared.unit[:-1]}    seconds   recipe"
    yield from map(_row, compared.recipes)
    yield f"\ncompared with {printable(compared.recipes[0].name)}:"
    yield from (f"  {text}" for text in verdicts(compared))


def verdicts(compared: Compared) -> Iterator[str]:
    """A sentence for each recipe but the best."""
    best, *others = compared.recipes
    unit = compared.unit
    for one in others:
        if one.behind is not None:
            yield f"{printable(one.name)}: {verdict(best.name, one.name, one.behind, unit)}"


def _row(one: ComparedRecipe) -> str:
    each = f"{100 * min(one.each):.1f}–{percent(max(one.each))}"
    return f"{columns(one.accuracy)}   {each:15}   {one.seconds:>8.1f}   {printable(one.name)}"
