"""The first panel: how good the model is, how sure that is, and what to be careful about."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tlf.checks.leaks import leak_sentence
from tlf.data.inspection.readable import IN_BOTH
from tlf.metrics.multi_label.figures import AnyEvaluation
from tlf.metrics.text import LONG_TITLES, groups_sentence
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.report import AnyReport, Content, Report
from tlf.results import EVAL
from tlf.runtime.text import duration
from tlf.tasks import DEFAULT_MONITOR

MAIN = DEFAULT_MONITOR.removeprefix(EVAL)
"""The figure that a page begins with."""
FEW = 300
"""With fewer images, the page says that they are few: an interval is then several points wide."""
FEW_IN_A_CLASS = 10
"""With fewer images of a class, its figures say little."""


def panel(report: Report) -> Panel:
    """How good the model is."""
    evaluation = report.evaluation
    return Panel(
        "verdict",
        "Verdict",
        render(
            "verdict.html",
            evaluation=evaluation,
            main=evaluation.headline[MAIN],
            macro_f1=evaluation.headline["macro_f1"],
            with_f1=with_f1(evaluation),
            right=int((report.predicted.predicted == report.predicted.labels).sum()),
            titles=LONG_TITLES,
            caveats=sentence(caveats(report)),
            missing=report.missing,
            **in_every_verdict(report),
        ),
    )


def in_every_verdict(report: AnyReport) -> dict[str, Any]:
    """What the panel shows, whether images have one label each or any number."""
    run, groups = report.run, report.evaluation.groups
    return {
        "groups": None if groups is None else groups_sentence(groups),
        "best": run and run.best,
        "epochs": run and len(run.history),
        "time": run and duration(sum(epoch.seconds for epoch in run.history)),
        "leaks": leaks(report),
        "cautions": report.cautions,
    }


def with_f1(evaluation: AnyEvaluation) -> int:
    """How many classes macro F1 is the mean over: those whose F1 is defined."""
    return sum(one.f1.value is not None for one in evaluation.per_class)


def sentence(parts: Iterable[str]) -> str:
    """One sentence of several parts; empty where there are none.

    >>> sentence(["3 images are few", "1 of 2 classes has no image here"])
    '3 images are few; 1 of 2 classes has no image here.'
    """
    joined = "; ".join(parts)
    return f"{joined[0].upper()}{joined[1:]}." if joined else ""


def leaks(report: Content) -> str | None:
    """A sentence where the train split has images of these, too."""
    if report.findings is not None and (told := leak_sentence(report.findings)):
        return f"{told}."
    for note in _notes(report):
        told, _, _ = note.partition("\n")
        if IN_BOTH in told:
            return f"{told}."
    return None


def caveats(report: Report) -> Iterator[str]:
    """What else somebody should know who quotes these figures; the gravest first."""
    main = report.evaluation.headline[MAIN]
    if main.low is not None and main.low <= report.evaluation.majority:
        name = report.evaluation.majority_class
        yield f"the model cannot be told from one that always answers “{name}”"
    if report.run is not None and len(report.run.history) > 1:
        yield "these images chose the best epoch, so the figures are a little too high"
    if (count := report.evaluation.images) < FEW and main.low is not None:
        yield few(count)
    yield from rare([one.support for one in report.evaluation.per_class])


def _notes(report: Content) -> list[str]:
    """What the run has noted about its images."""
    notes = report.run.provenance.get("notes") if report.run else None
    return [*map(str, notes)] if isinstance(notes, list) else []


def few(count: int) -> str:
    """What so few images mean."""
    return f"{count} image{'s are' if count > 1 else ' is'} few, so the intervals are wide"


def rare(supports: Sequence[int]) -> Iterator[str]:
    """Which classes have few images. ``supports``: the images of each."""
    absent = sum(not images for images in supports)
    rare = sum(0 < images < FEW_IN_A_CLASS for images in supports)
    if absent:
        yield f"{absent} of {len(supports)} classes {_have(absent)} no image here"
    if rare:
        yield f"{rare} of {len(supports)} classes {_have(rare)} fewer than {FEW_IN_A_CLASS} images"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"
