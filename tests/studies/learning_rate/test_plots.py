"""The plots of a study."""

from dataclasses import replace

from rates_found import FLAT, HEAD, TEST
from tlf.reports.plots.draw import chart
from tlf.studies.learning_rate.plots import heads_plot, range_plot


def test_accuracy_by_rate():
    plot = heads_plot(HEAD, 0)
    assert plot.table.rows[0] == ("0.001", "70.0%", "65.0%", "75.0%", "the recipe's")
    assert len(plot.table.rows) == 3
    assert "the best is 0.1 with 96.0%" in plot.description
    assert "Rates from 0.01 to 0.1 are not distinguishable. The recipe has 0.001." in (
        plot.description
    )
    svg = chart(plot).svg
    assert ">recipe<" in svg
    assert ">suggested<" in svg
    assert ">0.01<" in svg
    assert "mathdefault" not in svg


def test_loss_by_rate():
    plot = range_plot(replace(TEST, phase="<all>"), 1)
    assert plot.table.rows[0] == ("1.00e-06", "1", "1")
    assert plot.description.endswith("suggestion 0.00032.")
    svg = chart(plot).svg
    assert ">suggested<" in svg
    assert ">1e-06<" in svg
    assert "&lt;all&gt;" in svg
    flat = range_plot(FLAT, 2)
    assert flat.description.endswith("no suggestion.")
    assert "suggested<" not in chart(flat).svg
    narrow = replace(HEAD, rates=HEAD.rates[1:3])
    assert ">0.1<" in chart(heads_plot(narrow, 0)).svg
