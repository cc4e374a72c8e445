"""What every study shows of an accuracy."""

from tlf.metrics.figures import Figure
from tlf.reports.plots.draw import chart
from tlf.studies.accuracy import Row, columns, heading, rows_plot

ROWS = (Row("<large> " + "x" * 40, Figure(0.9, 0.8, 1.0)), Row("small", Figure(0.5, 0.0, 0.625)))


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
