"""The first panel: how good the model is, how sure that is, and what to be careful about."""

from collections.abc import Iterator

from tlf.metrics.multi_label.text import LONG_TITLES
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.panels.verdict import FEW, few, in_every_verdict, rare, sentence, with_f1
from tlf.reports.report import MultiLabelReport

LEFT_OUT = (
    "An image may have any number of labels, so this page has no confusion matrix, and no accuracy "
    "of sure images alone: it shows decisions about each class, and which classes come together."
)


def panel(report: MultiLabelReport) -> Panel:
    """How good the model is."""
    evaluation = report.evaluation
    return Panel(
        "verdict",
        "Verdict",
        render(
            "multi-label-verdict.html",
            evaluation=evaluation,
            headline=evaluation.headline,
            with_f1=with_f1(evaluation),
            exact=int(report.predicted.exact.sum()),
            titles=LONG_TITLES,
            caveats=sentence(caveats(report)),
            missing=(LEFT_OUT, *report.missing),
            **in_every_verdict(report),
        ),
    )


def caveats(report: MultiLabelReport) -> Iterator[str]:
    """What else somebody should know who quotes these figures; the gravest first."""
    evaluation = report.evaluation
    main = evaluation.headline["map"]
    if main.low is not None and main.low <= evaluation.frequency:
        yield "the model cannot be told from one that knows nothing"
    if chosen := " and ".join(_chosen(report)):
        yield f"these images chose {chosen}, so the figures are a little too high"
    if (count := evaluation.images) < FEW and main.low is not None:
        yield few(count)
    yield from rare([one.support for one in evaluation.per_class])


def _chosen(report: MultiLabelReport) -> Iterator[str]:
    """What the images of a run's page have decided about its model."""
    if report.run is None:
        return
    if len(report.run.history) > 1:
        yield "the best epoch"
    if report.calibrated is not None and report.calibrated.source == "eval":
        yield "the thresholds of the classes"
