"""What ``tlf sweep`` prints."""

from collections.abc import Iterator, Sequence

from tlf.errors import in_shell
from tlf.runtime.files import from_here
from tlf.runtime.text import duration, printable
from tlf.studies.accuracy import figure_text
from tlf.studies.sweep.ranges import Value
from tlf.studies.sweep.swept import COMPLETE, FAILED, PRUNED, RUNNING, Swept, Trial, TrialEnded

SHOWN = 10
"""Trials in the table."""
CHOSEN = (
    "the eval images have chosen the best trial and its epoch: expect a lower figure on other "
    "images"
)
CONFIRMED = "confirmed"
"""How the folder of that comparison begins, in the folder of the study: the usual folder may hold
another one. The number of the best trial follows."""
CONFIRM = "is it better than the recipe, and by how much?"
ENDS = {COMPLETE: "to the end", PRUNED: "ended early", FAILED: "failed", RUNNING: "running"}


def progress_line(event: TrialEnded) -> str:
    """A line about a trial that has ended."""
    one, metric = event.trial, event.metric
    if one.state == FAILED:
        figure = f"failed: {printable(one.why)}"
    else:
        early = f", ended early after {one.epochs} epochs" if one.state == PRUNED else ""
        figure = f"{figure_text(one.best.figure, metric)}{early}" if one.best else "–"
    best = event.best
    so_far = (
        f"; best {figure_text(best.best.figure, metric)}, trial {best.number}"
        if best and best.best
        else ""
    )
    left = f"; about {duration(event.left)} left" if event.left else ""
    return (
        f"trial {one.number}: {figure} ({settings_text(one)}){so_far}; {event.ended} of "
        f"{event.trials} done{left}"
    )


def settings_text(trial: Trial) -> str:
    """What a trial sets, in a line."""
    return ", ".join(f"{printable(key)} {shown(value)}" for key, value in trial.values.items())


def shown(value: Value) -> str:
    """A setting, with four digits.

    >>> shown(0.0123456), shown(16), shown("adamw")
    ('0.01235', '16', 'adamw')
    """
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))


def lines(swept: Swept) -> Iterator[str]:
    """The table of the best trials, and what to do with them."""
    yield counted(swept)
    if not swept.ranked:
        yield "no trial has trained to its end, so there is no best one yet"
        return
    yield f"note      {CHOSEN}\n"
    yield from _table(swept)
    if swept.importance:
        yield f"\nmatters   {importance_text(swept)}"
    best = swept.ranked[0]
    yield f"\nbest      trial {best.number}: {settings_text(best)}{ties(swept)}"
    yield f"recipe    {from_here(swept.best_file)}"
    yield f"confirm   {CONFIRM} {confirm(swept)}"


def ties(swept: Swept) -> str:
    """How many trials are as good as the best one; nothing where none is."""
    figures = [one.best.figure for one in swept.ranked if one.best]
    equal = figures.count(figures[0])
    if equal == 1:
        return ""
    if swept.one_loss:
        return f"; of {equal} with this figure, it has the lowest eval loss"
    return f"; it is the first of {equal} with this figure, as trials have different losses"


def counted(swept: Swept) -> str:
    """How many trials there are, and how they have ended."""
    states = [one.state for one in swept.trials]
    parts = [f"{states.count(state)} {text}" for state, text in ENDS.items() if state in states]
    keys = ", ".join(printable(one.key) for one in swept.varied)
    count = f"{len(states)} trials on {swept.images:,} eval images"
    return f"swept     {keys}: {', '.join([count, *parts])}"


def _table(swept: Swept) -> Iterator[str]:
    keys = [one.key for one in swept.varied]
    titles = [swept.metric.title, "eval loss", "best epoch", "seconds", "trial"]
    rows = [[*titles, *map(printable, keys)]]
    for one in swept.ranked[:SHOWN]:
        rows.append(
            [
                figure_text(one.best.figure, swept.metric) if one.best else "",
                f"{one.best.loss:.4f}" if one.best else "",
                f"{printable(one.best.phase)} {one.best.epoch + 1}" if one.best else "",
                f"{one.seconds:.1f}",
                str(one.number),
                *(shown(one.values[key]) for key in keys),
            ]
        )
    yield from aligned(rows)
    if (more := len(swept.ranked) - SHOWN) > 0:
        yield f"  … and {more} more"


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of a table with columns of one width.

    >>> [*aligned([["a", "b"], ["long", "1"]])]
    ['  a      b', '  long   1']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield f"  {'   '.join(f'{cell:{n}}' for cell, n in zip(row, widths, strict=True))}".rstrip()


def importance_text(swept: Swept) -> str:
    """How much each key matters, in a line."""
    order = sorted(swept.importance.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{printable(key)} {share:.0%}" for key, share in order)
    return (
        f"{shares} (shares in how the figure varies within these ranges; a hint, by fANOVA from "
        f"{len(swept.ranked)} trials)"
    )


def confirm(swept: Swept) -> str:
    """The command that compares the best recipe with the one that was swept. It overrides nothing:
    what replaces a component would replace that of the best recipe, too.
    """
    files = (in_shell(from_here(file)) for file in (swept.base, swept.best_file))
    folder = in_shell(from_here(swept.folder / f"{CONFIRMED}-{swept.ranked[0].number}"))
    return " ".join(["tlf compare", *files, "--seeds 10", "--output", folder])
