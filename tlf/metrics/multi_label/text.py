"""An evaluation and a comparison as lines of text, at most 80 cells wide."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tlf.metrics.groups import FEWEST
from tlf.metrics.multi_label.figures import MultiLabelEvaluation
from tlf.metrics.text import (
    class_lines,
    difference_lines,
    groups_lines,
    headline_lines,
    no_verdict,
    only_lines,
)
from tlf.runtime.text import printable, shortened

if TYPE_CHECKING:
    from tlf.metrics.multi_label.comparison import MultiLabelComparison

TITLES: Mapping[str, str] = {
    "map": "mAP",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "micro_precision": "micro precision",
    "micro_recall": "micro recall",
    "exact_match": "exact match",
    "hamming_loss": "Hamming loss",
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE",
}
"""What headline figures are called."""

LONG_TITLES: Mapping[str, str] = {
    **TITLES,
    "map": "mean average precision",
    "nll": "negative log-likelihood",
    "brier": "Brier score",
    "ece": "expected calibration error",
}
"""The same, where there is room."""


def lines(evaluation: MultiLabelEvaluation) -> Iterator[str]:
    """The headline figures with their intervals, and the worst classes."""
    yield from headline_lines(evaluation.headline, TITLES)
    yield from groups_lines(evaluation.groups)
    yield f"{'baseline':17} {evaluation.frequency:>9.2%}   mAP by chance"
    if evaluation.without:
        some = f"{evaluation.without:,} image{'' if evaluation.without == 1 else 's'}"
        yield f"{some} without a label"
    if any(one.threshold not in (None, 0.5) for one in evaluation.per_class):
        yield "each class is predicted from its own threshold on; in epochs of a run, from 0.5"
    yield from class_lines(
        evaluation.per_class, {"AP": lambda one: one.ap, "F1": lambda one: one.f1}
    )


def comparison_lines(
    comparison: "MultiLabelComparison", first: str, second: str, decimals: int = 2
) -> Iterator[str]:
    """The differences of the second model from the first, and whether they tell the models apart.

    ``first`` and ``second``: what the models are called; ``decimals``: of a percentage.
    """
    figures = {"mAP": comparison.map, "macro F1": comparison.macro_f1}
    yield from difference_lines(figures, decimals)
    yield from only_lines("exact only by", (first, second), comparison)
    yield f"{'verdict':17} {verdict(comparison, first, second)}"


def verdict(comparison: "MultiLabelComparison", first: str, second: str) -> str:
    """Whether the models can be told apart: the interval of the difference of mAP leaves out 0."""
    if comparison.draws < FEWEST:
        what = ("image", "with a label") if comparison.groups is None else ("group", "of images")
        return no_verdict(comparison.draws, *what)
    if not comparison.distinguishable or comparison.map.value is None:
        return "not distinguishable (the interval of mAP holds 0)"
    better = second if comparison.map.value > 0 else first
    return f"{shortened(printable(better), 35)} is better (the interval of mAP leaves out 0)"
