"""Whether the probability of each decision can be trusted."""

from dataclasses import replace

import numpy as np
import pytest

from label_sets import drawn_sets
from tlf.inference.calibrated import Calibrated
from tlf.reports.multi_label.calibration import after_scaling, panel, plots_of
from tlf.reports.report import report_of


def test_logits_are_divided_by_the_temperature():
    found = drawn_sets(50, 3)
    report = report_of("mine", found, found.evaluation())
    assert after_scaling(report) is None
    calibrated = Calibrated(2.0, 0.9, None, "eval", 50, (0.5,) * 3)
    scaled = after_scaling(replace(report, calibrated=calibrated))
    logits = np.log(found.probabilities / (1 - found.probabilities)) / 2
    rows = 1 / (1 + np.exp(-logits))
    brier = ((rows - found.labels) ** 2).mean()
    assert scaled.headline["brier"].value == pytest.approx(brier)
    assert scaled.headline["map"].value == report.evaluation.headline["map"].value
    html = panel(replace(report, calibrated=calibrated)).html
    assert "after temperature scaling" in html
    assert [plot.name for plot in plots_of(report)] == ["reliability"]
