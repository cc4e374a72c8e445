"""The plots of a study."""

from probed_backbones import PROBED
from tlf.reports.plots.draw import chart
from tlf.studies.probe.plots import backbone_plot, stage_plot


def test_backbones_are_rows_with_intervals():
    plot = backbone_plot(PROBED)
    assert plot.table.rows[0] == ("timm/<large>", "96.8%", "91.8%", "100.0%")
    assert "the first is timm/<large> with 96.8%" in plot.description
    svg = chart(plot).svg
    assert "timm/&lt;large&gt;" in svg
    assert "<large>" not in svg


def test_stages_are_a_curve():
    plot = stage_plot(PROBED.backbones[0], 0)
    assert [row[0] for row in plot.table.rows] == ["stem", "layer1"]
    assert plot.description.endswith("from 96.8% after stem to 96.8% after layer1.")
