"""Plots of decisions."""

from label_sets import drawn_sets
from tlf.reports.multi_label.plots import decisions_plot, precision_recall_plot
from tlf.reports.plots.draw import chart


def test_of_many_classes_the_worst_are_drawn():
    found = drawn_sets(60, 9).evaluation()
    plot = precision_recall_plot(found)
    assert plot.table.note == "the 5 of 9 with the least AP"
    assert len(plot.table.rows) == 5
    assert "class" in chart(plot).svg


def test_the_numbers_of_bins_are_in_a_table():
    found = drawn_sets(60, 3).evaluation()
    plot = decisions_plot(found.calibration)
    assert "180 decisions" in plot.description
    assert sum(int(row[1]) for row in plot.table.rows) == 180
