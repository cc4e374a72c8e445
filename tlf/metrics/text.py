"""An evaluation and a comparison as lines of text, at most 80 cells wide."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tlf.metrics.figures import ClassFigures, Evaluation, Figure
from tlf.metrics.resampling import LEVEL
from tlf.runtime.text import printable, shortened

if TYPE_CHECKING:
    from tlf.metrics.comparison import Comparison

TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "balanced_accuracy": "balanced accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE",
}
"""What headline figures are called."""

LONG_TITLES = TITLES | {
    "nll": "negative log-likelihood",
    "brier": "Brier score",
    "ece": "expected calibration error",
}
"""The same, where there is room."""

NO_RATES = frozenset({"nll", "brier", "ece"})
"""They are not shown as percentages."""

PAIRS = 5
"""So many of the most confused pairs of classes are listed."""

WORST = 5
"""So many of the worst classes are listed; all classes, where there are at most ten."""

NAME = 24
"""Cells of a class's name at most."""


def lines(evaluation: Evaluation) -> Iterator[str]:
    """The headline figures with their intervals, the most confused classes, the worst classes."""
    yield f"{'':17} {'value':>9}   95 % interval"
    for name, one in evaluation.headline.items():
        rate = name not in NO_RATES
        yield f"{TITLES[name]:17} {percent(one.value, rate):>9}   {interval(one, rate)}".rstrip()
    always = shortened(printable(evaluation.majority_class), NAME)
    yield f"{'baseline':17} {evaluation.majority:>9.2%}   top-1 of always saying {always!r}"
    if evaluation.headline["top1"].value == 1:
        least = ((1 - LEVEL) / 2) ** (1 / evaluation.images)  # Clopper and Pearson, 1934
        shown = f"{evaluation.images:,} images show only that top-1 is at least {least:.2%}"
        yield f"No image is wrong. {shown}."
    yield from _confused(evaluation)
    yield from _classes(evaluation)


def comparison_lines(
    comparison: "Comparison", first: str, second: str, decimals: int = 2
) -> Iterator[str]:
    """The differences of the second model from the first, and whether they tell the models apart.

    ``first`` and ``second``: what the models are called; ``decimals``: of a percentage.
    """
    yield f"{'second − first':17} {'difference':>10}   95 % interval"
    for title, difference in (("top-1", comparison.top1), ("macro F1", comparison.macro_f1)):
        value = percent(difference.value, True, "+", decimals)
        yield f"{title:17} {value:>10}   " + interval(difference, True, "+", decimals)
    for which, name, images in (
        ("first", first, comparison.only_first), ("second", second, comparison.only_second),
    ):  # fmt: skip
        shown = shortened(printable(name), 35)
        yield f"{'right only by':17} {len(images):>10,}   the {which}, {shown}"
    yield f"{'verdict':17} {verdict(comparison, first, second)}"


def verdict(comparison: "Comparison", first: str, second: str) -> str:
    """Whether the models can be told apart, by McNemar's exact test of top-1."""
    test = f"McNemar's p = {comparison.p_value:.2g}"
    if comparison.distinguishable:
        better = first if len(comparison.only_first) > len(comparison.only_second) else second
        return f"{shortened(printable(better), 35)} is better ({test})"
    if comparison.images_needed is None:
        return f"not distinguishable ({test})"
    needed = float(f"{comparison.images_needed:.2g}")
    return f"not distinguishable ({test}); about {needed:,.0f} images would tell"


def _confused(evaluation: Evaluation) -> Iterator[str]:
    pairs = evaluation.most_confused(PAIRS)
    if pairs:
        yield ""
        yield f"{'most confused: label':{NAME}} {'prediction':{NAME}} images"
    for label, prediction, images in pairs:
        of = f"{images:,} of {evaluation.per_class[label].support:,}"
        names = evaluation.classes
        yield f"{cell(names[label])} {cell(names[prediction])} {of}"


def _classes(evaluation: Evaluation) -> Iterator[str]:
    known = [one for one in evaluation.per_class if one.support]
    every = len(evaluation.per_class) <= 2 * WORST
    shown = evaluation.per_class if every else sorted(known, key=_f1)[:WORST]
    title = "class" if every else f"worst of {len(known):,} classes"
    yield ""
    yield f"{title:{NAME}} images       F1   95 % interval      precision   recall"
    for one in shown:
        f1, precision, recall = (percent(f.value) for f in (one.f1, one.precision, one.recall))
        yield (
            f"{cell(one.name)} {one.support:>6,} {f1:>8}   "
            f"{interval(one.f1):18} {precision:>9} {recall:>8}"
        )
    if len(known) < len(evaluation.per_class):
        without = len(evaluation.per_class) - len(known)
        have = "has" if without == 1 else "have"
        yield f"{without:,} of the model's classes {have} no image."


def _f1(one: ClassFigures) -> float:
    return one.f1.value or 0.0


def percent(value: float | None, rate: bool = True, sign: str = "", decimals: int = 2) -> str:
    """A figure, or a dash where it is not defined. ``rate``: whether it is a percentage."""
    return "–" if value is None else f"{value:{sign}{f'.{decimals}%' if rate else '.4f'}}"


def interval(figure: Figure, rate: bool = True, sign: str = "", decimals: int = 2) -> str:
    """The interval of a figure; empty where it has none."""
    if figure.low is None:
        return ""
    low, high = (percent(limit, rate, sign, decimals) for limit in (figure.low, figure.high))
    return f"{low} to {high}"


def cell(name: str) -> str:
    """The name of a class, as wide as its column."""
    from rich.cells import set_cell_size

    return set_cell_size(shortened(printable(name), NAME), NAME)
