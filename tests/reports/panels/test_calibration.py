from dataclasses import replace

import numpy as np
import pytest

from histories import predicted, report
from tlf.inference.calibrated import Calibrated
from tlf.metrics.predicted import Predicted
from tlf.reports.panels.calibration import after_scaling, panel, shown


def test_figures_with_intervals_charts_and_the_data_of_the_slider():
    of = report()
    made = panel(of)
    ece = of.evaluation.headline["ece"]
    assert f"{ece.value:.4f} [{ece.low:.4f}, {ece.high:.4f}]" in made.html
    assert made.html.count("<svg") == 4  # two classes have ROC, and precision and recall
    assert len(made.data["limits"]) == len(made.data["images"]) == len(made.data["right"]) == 100
    assert (made.data["of"], made.data["images"][0]) == (40, 40)
    assert 'type="range" id="answer-above" min="0" max="99"' in made.html


CALIBRATED = Calibrated(2.0, 0.9, 0.25, "eval", 40)


def test_before_and_after_temperature_scaling():
    of = report(calibrated=CALIBRATED)
    after = after_scaling(of)
    roots = np.sqrt(of.predicted.probabilities)
    own = (roots / roots.sum(1, keepdims=True))[range(40), of.predicted.labels]
    assert after.headline["nll"].value == pytest.approx(-np.log(own).mean())
    html = panel(of).html
    assert "after temperature scaling" in html
    assert shown(after, "nll") in html
    assert "The temperature is 2.000, from 40 images of the eval split" in html
    for source, text in (("calibration", "held out"), ("out-of-fold", "not trained on it")):
        assert text in panel(replace(of, calibrated=replace(CALIBRATED, source=source))).html


def test_a_probability_of_zero_stays_one():
    sure = Predicted(("a", "b"), np.array([0, 1]), np.eye(2), ("x", "y"))
    of = report(of=sure, calibrated=CALIBRATED)
    assert after_scaling(of).headline["brier"].value == 0
    assert panel(of).html.count("<svg") == 4


def test_no_image_and_undefined_figures():
    none = Predicted((), np.zeros(0, int), np.zeros((0, 2)), ("a", "b"))
    assert panel(replace(report(), predicted=none)) is None
    assert shown(report().evaluation, "not there") == "–"
    assert panel(report(of=predicted(3, ("a", "b", "c")))).html.count("<svg") == 2
