from dataclasses import replace

import numpy as np

from tlf.metrics.predicted import Predicted
from tlf.reports.report import Report

PREDICTED = Predicted(
    ("a.jpg", "b.jpg"), np.array([0, 1]), np.array([[0.75, 0.25], [0.5, 0.5]]), ("ant", "bee")
)


def test_a_report_is_named_by_its_labelled_images():
    def report_of(predicted):
        return Report("runs/mine", predicted, evaluation=None)

    one = report_of(PREDICTED)
    assert one.id == report_of(replace(PREDICTED, probabilities=np.eye(2))).id
    assert one.id != report_of(replace(PREDICTED, labels=np.array([1, 1]))).id
    assert one.id != report_of(replace(PREDICTED, names=("a.jpg", "c.jpg"))).id
