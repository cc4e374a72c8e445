"""Two models with any number of labels for each image."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from label_sets import drawn_sets, marked
from tlf.errors import DataError
from tlf.metrics.multi_label.comparison import compare


def shuffled(found, seed=0):
    """The same with other orders of images and classes."""
    random = np.random.default_rng(seed)
    rows, columns = random.permutation(len(found)), random.permutation(len(found.classes))
    return replace(
        found,
        names=tuple(found.names[i] for i in rows),
        labels=found.labels[np.ix_(rows, columns)],
        probabilities=found.probabilities[np.ix_(rows, columns)],
        predicted=found.predicted[np.ix_(rows, columns)],
        classes=tuple(found.classes[k] for k in columns),
        thresholds=None,
    )


def better_than(found):
    rows = np.clip(found.probabilities + 0.3 * found.labels, 0, 1)
    return replace(found, probabilities=rows, predicted=rows >= 0.5)


def test_differences_are_those_of_the_figures_whatever_the_order():
    one = drawn_sets(150, 4, skill=1)
    other = better_than(one)
    result = compare(one, shuffled(other), resamples=200)
    difference = [
        average_precision_score(of.labels, of.probabilities) for of in (one, other)
    ]  # fmt: skip
    assert result.map.value == pytest.approx(difference[1] - difference[0])
    scores = [f1_score(of.labels, of.predicted, average="macro") for of in (one, other)]
    assert result.macro_f1.value == pytest.approx(scores[1] - scores[0])
    assert result.map.low <= result.map.value <= result.map.high
    assert result.distinguishable
    exact = (other.labels == other.predicted).all(1) & ~(one.labels == one.predicted).all(1)
    assert result.only_second == tuple(np.array(one.names)[exact])
    assert [*result.lines("a", "b")][-1].split()[:4] == ["verdict", "b", "is", "better"]


def test_a_model_is_not_better_than_itself():
    found = drawn_sets(40, 3)
    result = compare(found, shuffled(found))
    assert (result.map.value, result.p_value, result.distinguishable) == (0, 1, False)
    assert "not distinguishable" in [*result.lines("a", "b")][-1]


def test_groups_count_whichever_model_knows_them():
    one = drawn_sets(150, 4, skill=1)
    other = better_than(one)
    known = shuffled(other)
    known = replace(known, groups=np.array([one.names.index(n) // 10 for n in known.names]))
    there, back = compare(one, known, resamples=200), compare(known, one, resamples=200)
    assert there == compare(replace(one, groups=np.arange(150) // 10), other, resamples=200)
    assert there.groups == back.groups == 15
    assert there.p_value == back.p_value != compare(one, other, resamples=9).p_value
    for figure, turned in ((there.map, back.map), (there.macro_f1, back.macro_f1)):
        assert (figure.low, figure.high) == pytest.approx((-turned.high, -turned.low))


def test_other_labels_or_classes_are_refused():
    one = marked([[1, 0]], [[0.9, 0.1]])
    with pytest.raises(DataError, match="with 'class 0' and without 'class 0'"):
        compare(one, marked([[0, 0]], [[0.9, 0.1]]))
    with pytest.raises(DataError, match="must have the same classes"):
        compare(one, replace(one, classes=("class 0", "other")))
