import numpy as np

from histories import predicted
from tlf.metrics.predicted import Predicted
from tlf.metrics.selective_prediction import LIMITS, answering


def test_counts_equal_those_of_every_limit_by_hand():
    of = predicted(200, ("a", "b", "c"))
    highest, right = of.probabilities.max(1), of.predicted == of.labels
    found = answering(of)
    assert [one.above for one in found] == [*LIMITS]
    for one in found:
        kept = highest >= one.above
        assert (one.images, one.right) == (kept.sum(), right[kept].sum())
        assert one.share == kept.mean()
        assert one.accuracy == (right[kept].mean() if kept.any() else None)


def test_no_image_and_equal_probabilities():
    none = Predicted((), np.zeros(0, int), np.zeros((0, 2)), ("a", "b"))
    assert {(one.share, one.accuracy) for one in answering(none)} == {(None, None)}
    same = Predicted(("x", "y"), np.array([0, 1]), np.full((2, 2), 0.5), ("a", "b"))
    found = answering(same, [0.5, 0.51])
    assert [(one.images, one.right) for one in found] == [(2, 1), (0, 0)]
