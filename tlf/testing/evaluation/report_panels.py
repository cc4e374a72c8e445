"""The contract of the panels that a plugin adds to a report."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tlf.metrics.evaluation import evaluation
from tlf.metrics.predicted import Predicted
from tlf.reports.panel import Panel
from tlf.reports.plugin_panels import HOOK, checked_panels
from tlf.reports.report import Report, RunRecord
from tlf.runtime.seeds import seeded
from tlf.testing.contract import no_random_numbers, raising_only, require
from tlf.testing.decisions import wanted
from tlf.testing.models import results

ODD = ('"><img src=x onerror=alert(1)>', "<script>alert(1)</script>", "d'Été & co", "🦋")
"""Names of classes as users have them, and as attackers do."""


def check_report_panels(panels: Callable[..., Sequence[Panel]]) -> None:
    """Check that panels of a report keep their contract.

    They are made for reports of 2 and of 12 classes, of few and of many images, without thumbnails,
    with a class without images, and with names that hold markup. They are a list of panels whose
    HTML a page may hold: it is well formed, loads and runs nothing, and refers to its own ids only.
    They are the same in every call. The report stays as it is, and no random numbers are drawn.

    Parameters:
        panels: the function, or the method of an extension.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    with TemporaryDirectory(prefix="tlf-checked-") as folder:
        for report in _reports(Path(folder)):
            _check(panels, report)


def _check(panels: Callable[..., Sequence[Panel]], report: Report) -> None:
    what = f"{HOOK} with {len(report.predicted)} images of {len(report.predicted.classes)} classes"
    before = _state(report)
    with raising_only(panels, what), no_random_numbers(panels, HOOK):
        first, second = (panels(**wanted(panels, report=report)) for _ in range(2))
    try:
        checked_panels(first, "checked")
    except ValueError as error:
        rule = "it gives a list of Panel, with HTML that a page may hold; names are escaped"
        require(False, panels, f"fails in {what}: {error}", rule)
    require(first == second, panels, "gives other panels when it is called again", "it is pure")
    require(
        _state(report) == before,
        panels,
        "changes the report",
        "it is read, and not changed: other panels show the same",
    )


def _state(report: Report) -> tuple[object, ...]:
    predicted = report.predicted
    return (
        predicted.probabilities.tobytes(),
        predicted.labels.tobytes(),
        report.evaluation.confusion.tobytes(),
        repr(report),
    )


def _reports(folder: Path) -> Iterator[Report]:
    for images, classes in ((1, 2), (12, 2), (40, 12), (3000, 12)):
        names = tuple(ODD[k] if k < len(ODD) else f"class {k}" for k in range(classes))
        yield _report(folder, images, names)


def _report(folder: Path, images: int, classes: tuple[str, ...]) -> Report:
    """The last class has no image."""
    import torch

    with seeded(images, "report"):
        drawn = torch.rand(images, len(classes), dtype=torch.float64)
    predicted = Predicted(
        names=tuple(f'{ODD[0]}/{number:04}".jpg' for number in range(images)),
        labels=np.arange(images) % (len(classes) - 1),
        probabilities=(drawn / drawn.sum(1, keepdim=True)).numpy(),
        classes=classes,
    )
    history = results(3, ("stem", "top"))
    run = RunRecord(history, (), {}, 'output = "run"\n', history[-1], folder)
    return Report(ODD[1], predicted, evaluation(predicted, resamples=10), run=run, split="eval")
