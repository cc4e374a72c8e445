"""What every study shows of an accuracy."""

import numpy as np
import pytest
from scipy.stats import binomtest

from tlf.metrics.figures import Figure
from tlf.metrics.paired import over_seeds
from tlf.reports.plots.draw import chart
from tlf.studies.accuracy import Row, accuracy_of, columns, heading, rows_plot

ROWS = (Row("<large> " + "x" * 40, Figure(0.9, 0.8, 1.0)), Row("small", Figure(0.5, 0.0, 0.625)))


@pytest.mark.parametrize(("right", "of"), [(20, 20), (0, 20)])
def test_what_does_not_vary_is_not_certain(right, of):
    each = np.tile(np.arange(of) < right, (5, 1)).astype(float)
    figure = accuracy_of(over_seeds(np.zeros_like(each), each))
    exact = binomtest(right, of).proportion_ci()
    assert (figure.low, figure.high) == pytest.approx((exact.low, exact.high))


def test_an_accuracy_is_a_rate():
    each = np.tile(np.arange(20) < 1, (5, 1)).astype(float)
    figure = accuracy_of(over_seeds(np.zeros_like(each), each))
    assert (figure.value, figure.low) == (0.05, 0)


def test_groups_are_what_an_accuracy_is_about():
    """All images of 10 groups are right: so many groups say little, and three say nothing."""
    each = np.ones((5, 60))
    figures = [
        accuracy_of(over_seeds(np.zeros_like(each), each, np.arange(60) % groups))
        for groups in (10, 3)
    ]
    assert figures[0].low == pytest.approx(binomtest(10, 10).proportion_ci().low)
    assert figures[1] == Figure(1.0, 0.0, 1.0)


def test_candidates_are_rows_with_intervals():
    plot = rows_plot("recipe", "Accuracy", ROWS)
    assert plot.table.rows[1] == ("small", "50.0%", "0.0%", "62.5%")
    assert plot.description.startswith("2 recipes; the first is <large> xx")
    svg = chart(plot).svg
    assert "&lt;large&gt; xxxxxxxxxxxxxxxxxxxx…" in svg
    assert "each seed" not in svg


def test_seeds_are_strokes():
    rows = [Row("a", Figure(0.9, 0.8, 1.0), each=(0.88, 0.92))]
    assert "strokes: each seed" in chart(rows_plot("recipe", "Accuracy", rows)).svg


def test_a_table_is_as_wide_as_its_heading():
    assert len(heading()) == len(columns(ROWS[1].accuracy))
