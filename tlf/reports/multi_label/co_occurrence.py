"""Which classes come together, as labels and as predictions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tlf.metrics.multi_label.figures import MultiLabelEvaluation
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.report import MultiLabelReport

PAIRS = 50
"""Pairs that are listed at most."""


@dataclass(frozen=True)
class Pair:
    """Two classes that some image has, or is predicted to have, together."""

    first: str
    second: str
    labels: int
    """Images that have both as labels."""
    predicted: int
    """Images to which the model gives both."""
    share: float | None
    """Of the images of the rarer class, those that have both; None where it has none."""


def panel(report: MultiLabelReport) -> Panel | None:
    """The pairs of classes; None where no image has two."""
    evaluation = report.evaluation
    pairs = [*pairs_of(evaluation)]
    if not pairs:
        return None
    html = render("multi-label-co-occurrence.html", pairs=pairs, most=PAIRS, evaluation=evaluation)
    return Panel("co-occurrence", "Classes that come together", html)


def pairs_of(evaluation: MultiLabelEvaluation) -> Iterator[Pair]:
    """The most frequent pairs; those that the model confuses the counts of come with them."""
    labels, predicted = evaluation.co_occurrence, evaluation.predicted_co_occurrence
    either = np.triu(np.maximum(labels, predicted), 1)
    first, second = np.nonzero(either)
    order = np.argsort(-either[first, second], kind="stable")[:PAIRS]
    for a, b in zip(first[order].tolist(), second[order].tolist(), strict=True):
        both, rarer = int(labels[a, b]), int(min(labels[a, a], labels[b, b]))
        yield Pair(
            evaluation.classes[a],
            evaluation.classes[b],
            both,
            int(predicted[a, b]),
            both / rarer if rarer else None,
        )
