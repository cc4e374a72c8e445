"""An evaluation and a comparison as lines of text, at most 80 cells wide."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, TypeVar

from tlf.metrics.figures import ClassFigures, Evaluation, Figure
from tlf.metrics.groups import FEWEST
from tlf.metrics.multi_label.figures import MultiLabelClassFigures
from tlf.metrics.resampling import LEVEL
from tlf.runtime.text import printable, shortened

if TYPE_CHECKING:
    from tlf.metrics.comparison import Comparison
    from tlf.metrics.multi_label.comparison import AnyComparison

C = TypeVar("C", bound=ClassFigures | MultiLabelClassFigures)

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
    yield from headline_lines(evaluation.headline, TITLES)
    yield from groups_lines(evaluation.groups)
    always = shortened(printable(evaluation.majority_class), NAME)
    yield f"{'baseline':17} {evaluation.majority:>9.2%}   top-1 of always saying {always!r}"
    if evaluation.headline["top1"].value == 1:
        draws, what = evaluation.images, "images"
        if evaluation.groups is not None:
            draws, what = evaluation.groups, "groups of images"
        least = ((1 - LEVEL) / 2) ** (1 / draws)  # Clopper and Pearson, 1934
        shown = f"{draws:,} {what} show only that top-1 is at least {least:.2%}"
        yield f"No image is wrong. {shown}."
    yield from _confused(evaluation)
    yield from class_lines(
        evaluation.per_class,
        {
            "F1": lambda one: one.f1,
            "precision": lambda one: one.precision,
            "recall": lambda one: one.recall,
        },
    )


def groups_lines(groups: int | None) -> Iterator[str]:
    """What intervals are about, where images are in groups."""
    if groups is not None:
        yield from wrap(groups_sentence(groups), 80)


def groups_sentence(groups: int) -> str:
    """What so many groups of images mean for intervals.

    >>> groups_sentence(24)
    'The images are in 24 groups (data.group): intervals are about other groups like these.'
    >>> groups_sentence(1)
    'The images are in 1 group (data.group): there is no interval, which takes at least 5.'
    """
    told = f"The images are in {groups:,} group{'' if groups == 1 else 's'} (data.group)"
    if groups < FEWEST:
        return f"{told}: there is no interval, which takes at least {FEWEST}."
    return f"{told}: intervals are about other groups like these."


def headline_lines(headline: Mapping[str, Figure], titles: Mapping[str, str]) -> Iterator[str]:
    """The headline figures with their intervals."""
    yield f"{'':17} {'value':>9}   95 % interval"
    for name, one in headline.items():
        rate = name not in NO_RATES
        yield f"{titles[name]:17} {percent(one.value, rate):>9}   {interval(one, rate)}".rstrip()


def comparison_lines(
    comparison: "Comparison", first: str, second: str, decimals: int = 2
) -> Iterator[str]:
    """The differences of the second model from the first, and whether they tell the models apart.

    ``first`` and ``second``: what the models are called; ``decimals``: of a percentage.
    """
    figures = {"top-1": comparison.top1, "macro F1": comparison.macro_f1}
    yield from difference_lines(figures, decimals)
    yield from only_lines("right only by", (first, second), comparison)
    yield f"{'verdict':17} {verdict(comparison, first, second)}"


def difference_lines(differences: Mapping[str, Figure], decimals: int = 2) -> Iterator[str]:
    """The differences of the second model from the first. ``decimals``: of a percentage."""
    yield f"{'second − first':17} {'difference':>10}   95 % interval"
    for title, one in differences.items():
        value = percent(one.value, True, "+", decimals)
        yield f"{title:17} {value:>10}   {interval(one, True, '+', decimals)}"


def only_lines(title: str, models: Sequence[str], comparison: "AnyComparison") -> Iterator[str]:
    """How many images one of two models alone classifies rightly.

    ``title``: what is said of them; ``models``: what the models are called.
    """
    counts = (len(comparison.only_first), len(comparison.only_second))
    for which, name, count in zip(("first", "second"), models, counts, strict=True):
        yield f"{title:17} {count:>10,}   the {which}, {shortened(printable(name), 35)}"


def verdict(comparison: "Comparison", first: str, second: str) -> str:
    """Whether the models can be told apart, by McNemar's exact test of top-1."""
    test = f"McNemar's p = {comparison.p_value:.2g}"
    if comparison.groups is not None:
        if comparison.groups < FEWEST:
            return no_verdict(comparison.groups, "group", "of images")
        test += f" over {comparison.groups:,} groups"
    if comparison.distinguishable:
        better = first if len(comparison.only_first) > len(comparison.only_second) else second
        return f"{shortened(printable(better), 35)} is better ({test})"
    needed, what = comparison.images_needed, "images"
    if needed is None:
        needed, what = comparison.groups_needed, "groups"
    if needed is None:
        return f"not distinguishable ({test})"
    return f"not distinguishable ({test}); about {float(f'{needed:.2g}'):,.0f} {what} would tell"


def no_verdict(count: int, what: str, which: str) -> str:
    """What is said instead of a verdict from so few images or groups of them.

    >>> no_verdict(3, "image", "with a label")
    'no verdict from 3 images with a label; it takes at least 5'
    """
    many = "" if count == 1 else "s"
    return f"no verdict from {count} {what}{many} {which}; it takes at least {FEWEST}"


def _confused(evaluation: Evaluation) -> Iterator[str]:
    pairs = evaluation.most_confused(PAIRS)
    if pairs:
        yield ""
        yield f"{'most confused: label':{NAME}} {'prediction':{NAME}} images"
    for label, prediction, images in pairs:
        of = f"{images:,} of {evaluation.per_class[label].support:,}"
        names = evaluation.classes
        yield f"{cell(names[label])} {cell(names[prediction])} {of}"


def class_lines(
    per_class: Sequence[C], columns: Mapping[str, Callable[[C], Figure]]
) -> Iterator[str]:
    """The classes, of many of them the worst.

    ``columns``: heading → the figure of a class; the first says which class is the worst, and
    stands with its interval.
    """
    (main, figure), *others = columns.items()
    known = [one for one in per_class if one.support]
    every = len(per_class) <= 2 * WORST
    worst = sorted(known, key=lambda one: figure(one).value or 0.0)[:WORST]
    title = "class" if every else f"worst of {len(known):,} classes"
    headings = "".join(f" {heading:>{_width(heading)}}" for heading, _ in others)
    yield ""
    yield f"{title:{NAME}} images {main:>8}   {'95 % interval':18}{headings}"
    for one in per_class if every else worst:
        of = figure(one)
        values = "".join(f" {percent(get(one).value):>{_width(name)}}" for name, get in others)
        shown = f"{percent(of.value):>8}   {interval(of):18}{values}"
        yield f"{cell(one.name)} {one.support:>6,} {shown}"
    if without := len(per_class) - len(known):
        have = "has" if without == 1 else "have"
        yield f"{without:,} of the model's classes {have} no image."


def _width(heading: str) -> int:
    """Cells of a column of percentages."""
    return max(8, len(heading))


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
