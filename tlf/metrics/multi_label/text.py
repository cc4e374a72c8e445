"""An evaluation and a comparison as lines of text, at most 80 cells wide."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tlf.metrics.multi_label.figures import MultiLabelClassFigures, MultiLabelEvaluation
from tlf.metrics.text import NAME, NO_RATES, WORST, cell, interval, percent
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
    yield f"{'':17} {'value':>9}   95 % interval"
    for name, one in evaluation.headline.items():
        rate = name not in NO_RATES
        yield f"{TITLES[name]:17} {percent(one.value, rate):>9}   {interval(one, rate)}".rstrip()
    yield f"{'baseline':17} {evaluation.frequency:>9.2%}   mAP by chance"
    if evaluation.without:
        some = f"{evaluation.without:,} image{'' if evaluation.without == 1 else 's'}"
        yield f"{some} without a label"
    yield from _classes(evaluation)


def comparison_lines(comparison: "MultiLabelComparison", first: str, second: str) -> Iterator[str]:
    """The differences of the second model from the first, and whether they tell the models apart.

    ``first`` and ``second``: what the models are called.
    """
    yield f"{'second − first':17} {'difference':>10}   95 % interval"
    for title, one in (("mAP", comparison.map), ("macro F1", comparison.macro_f1)):
        yield f"{title:17} {percent(one.value, True, '+'):>10}   {interval(one, True, '+')}"
    for which, name, images in (
        ("first", first, comparison.only_first), ("second", second, comparison.only_second),
    ):  # fmt: skip
        shown = shortened(printable(name), 35)
        yield f"{'exact only by':17} {len(images):>10,}   the {which}, {shown}"
    yield f"{'verdict':17} {verdict(comparison, first, second)}"


def verdict(comparison: "MultiLabelComparison", first: str, second: str) -> str:
    """Whether the models can be told apart: the interval of the difference of mAP leaves out 0."""
    if not comparison.distinguishable or comparison.map.value is None:
        return "not distinguishable (the interval of mAP holds 0)"
    better = second if comparison.map.value > 0 else first
    return f"{shortened(printable(better), 35)} is better (the interval of mAP leaves out 0)"


def _classes(evaluation: MultiLabelEvaluation) -> Iterator[str]:
    known = [one for one in evaluation.per_class if one.support]
    every = len(evaluation.per_class) <= 2 * WORST
    shown = evaluation.per_class if every else sorted(known, key=_ap)[:WORST]
    title = "class" if every else f"worst of {len(known):,} classes"
    yield ""
    yield f"{title:{NAME}} images       AP   95 % interval            F1"
    for one in shown:
        yield (
            f"{cell(one.name)} {one.support:>6,} {percent(one.ap.value):>8}   "
            f"{interval(one.ap):18} {percent(one.f1.value):>8}"
        )
    if len(known) < len(evaluation.per_class):
        without = len(evaluation.per_class) - len(known)
        have = "has" if without == 1 else "have"
        yield f"{without:,} of the model's classes {have} no image."


def _ap(one: MultiLabelClassFigures) -> float:
    return one.ap.value or 0.0
