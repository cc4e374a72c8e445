"""What apps get for an image."""

import pickle

from tlf.inference.prediction import MultiLabelPrediction, Prediction

THREE = {"ant": 0.3, "bee": 0.9, "fly": 0.6}


def test_one_label_is_the_most_probable_class():
    one = Prediction("bee", 0.9, THREE)
    assert one.labels == ("bee",)
    assert [title for title, _ in one.shown(4)] == ["prediction", "runner-up", "third"]
    assert [*one.shown(1)] == [("prediction", [("bee", 0.9)])]


def test_any_number_of_labels_may_be_none():
    some = MultiLabelPrediction("bee", 0.9, THREE, labels=("bee", "fly"))
    none = MultiLabelPrediction("bee", 0.9, THREE)
    assert (some.labels, none.labels) == (("bee", "fly"), ())
    assert (some.label, some.unsure, some.kept) == ("bee", False, None)
    assert [*none.shown(None)] == [("predicted labels", [])]
    titles = [title for title, _ in some.shown(2)]
    assert titles == ["predicted labels", "most probable", "class 2"]
    assert pickle.loads(pickle.dumps(some)) == some
