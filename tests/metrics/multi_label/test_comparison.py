"""Two models with any number of labels for each image."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from label_sets import LABEL_SETS, drawn_sets, marked
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


@pytest.mark.parametrize("images", [3, 4])
@pytest.mark.parametrize("without", [0, 30])
def test_few_images_with_a_label_give_no_verdict(images, without):
    labels = np.concatenate([np.eye(2)[np.arange(images) % 2], np.zeros((without, 2))])
    wrong, right = marked(labels, 0.9 - 0.8 * labels), marked(labels, 0.1 + 0.8 * labels)
    found = compare(wrong, right)
    assert (found.map.low, found.map.high, found.distinguishable) == (None, None, False)
    assert found.map.value > 0.4
    told = f"verdict           no verdict from {images} images with a label; it takes at least 5"
    assert [*found.lines("a", "b")][-1] == told
    assert compare(replace(wrong, groups=np.arange(len(wrong))), right).map.low is None
    assert asdict(found)["map"] == {"value": found.map.value, "low": None, "high": None}


def test_without_a_label_there_is_no_figure_and_no_verdict():
    found = compare(LABEL_SETS["no label"](), LABEL_SETS["no label"]())
    assert (found.map.value, found.distinguishable) == (None, False)


RATES = (0.4, 0.3, 0.2)


def claims(simulations, images, lead=0.0, size=None):
    """How often one of two models is called better. Their scores have an effect of the image, and
    errors of their own that are equally large. ``lead``: by how much those of the second are
    higher for labels; ``size``: of groups, in which one model is better.
    """
    random, found = np.random.default_rng(images), []
    groups = None if size is None else np.arange(images) // size
    for _ in range(simulations):
        labels = random.random((images, len(RATES))) < RATES
        shared = 1.5 * labels + random.normal(size=labels.shape)
        pair = []
        for more in (0.0, lead):
            logits = shared + more * labels + 0.7 * random.normal(size=labels.shape)
            if groups is not None:
                logits += labels * random.normal(size=images)[groups][:, None]
            pair.append(replace(marked(labels, 1 / (1 + np.exp(1 - logits))), groups=groups))
        found.append(compare(*pair, resamples=300).distinguishable)
    return np.mean(found)


def test_equal_models_are_seldom_told_apart():
    assert claims(60, 10) <= 0.1
    assert claims(20, 100, lead=1.0) >= 0.7


NOMINAL = 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "size"), [(5, None), (10, None), (20, None), (50, None), (200, None), (100, 10)]
)
def test_two_equal_models(images, size):
    """In 400 experiments; two standard errors of so many are allowed."""
    most = NOMINAL + 2 * (NOMINAL * (1 - NOMINAL) / 400) ** 0.5
    assert claims(400, images, size=size) <= most
