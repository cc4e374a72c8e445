"""Two models on the same images."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score

from predicted_sets import drawn, predicted
from tlf.errors import DataError
from tlf.metrics.comparison import compare, images_needed
from tlf.metrics.resampling import resampled
from tlf.runtime.strict_json import dumps


def two_models(images=200, seed=0, **skill):
    """Two models on the same labels."""
    one, other = drawn(images, 5, seed=seed), drawn(images, 5, seed=seed + 100, **skill)
    logits = np.log(other.probabilities)
    logits[np.arange(images), other.labels] -= 2
    logits[np.arange(images), one.labels] += 2
    rows = np.exp(logits)
    return one, predicted(one.labels, rows / rows.sum(1, keepdims=True))


def test_differences_and_images_are_those_of_both_models():
    one, other = two_models()
    found = compare(one, other, resamples=100)
    top1 = [accuracy_score(model.labels, model.predicted) for model in (one, other)]
    macro = [f1_score(model.labels, model.predicted, average="macro") for model in (one, other)]
    assert found.top1.value == pytest.approx(top1[1] - top1[0])
    assert found.macro_f1.value == pytest.approx(macro[1] - macro[0])
    right = [model.predicted == model.labels for model in (one, other)]
    assert found.only_first == tuple(np.array(one.names)[right[0] & ~right[1]])
    assert found.only_second == tuple(np.array(one.names)[right[1] & ~right[0]])
    assert found.images == 200
    dumps(asdict(found))


def test_p_is_that_of_the_exact_test():
    one, other = two_models()
    found = compare(one, other, resamples=10)
    first, second = len(found.only_first), len(found.only_second)
    assert found.p_value == binomtest(min(first, second), first + second).pvalue


def test_intervals_are_those_of_a_plain_paired_bootstrap():
    one, other = two_models(80)
    found = compare(one, other, resamples=80, seed=3)
    order = np.lexsort((other.predicted, one.predicted, one.labels))
    [block] = resampled(80, 80, seed=3)
    top1, macro = [], []
    for weight in block:
        taken = order[np.repeat(np.arange(80), weight.astype(int))]
        models = [(model.labels[taken], model.predicted[taken]) for model in (one, other)]
        options = {"average": "macro", "labels": range(5), "zero_division": np.nan}
        top1.append(accuracy_score(*models[1]) - accuracy_score(*models[0]))
        macro.append(f1_score(*models[1], **options) - f1_score(*models[0], **options))
    for figure, values in ((found.top1, top1), (found.macro_f1, macro)):
        low, median, high = np.quantile(values, [0.025, 0.5, 0.975]) - np.median(values)
        assert median == 0
        assert figure.low == pytest.approx(figure.value + low)
        assert figure.high == pytest.approx(figure.value + high)


def test_a_better_model_is_told_apart():
    labels = np.arange(100) % 4
    good, bad = predicted(labels, np.eye(4)[labels]), predicted(labels, np.eye(4)[labels * 0])
    found = compare(good, bad)
    assert found.distinguishable
    assert found.images_needed is None
    assert (len(found.only_first), found.only_second) == (75, ())
    assert found.top1.value == -0.75
    assert found.top1.high < 0


def test_equal_models_are_not():
    one = drawn(50, 3)
    found = compare(one, one)
    assert (found.p_value, found.images_needed, found.only_first) == (1, None, ())
    assert asdict(found.top1) == {"value": 0, "low": 0, "high": 0}
    assert not found.distinguishable


def test_the_estimate_of_images_is_right():
    """With so many images, the test finds the difference 80 % of the time."""
    first, second, images = 12, 20, 400
    needed = images_needed(first, second, images)
    random, rates = np.random.default_rng(0), (first / images, second / images)
    drawn_pairs = random.multinomial(needed, [*rates, 1 - sum(rates)], size=400)
    found = [binomtest(int(a), int(a + b)).pvalue < 0.05 for a, b, _ in drawn_pairs]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)
    assert needed > images


def test_images_and_classes_in_another_order_are_matched():
    one, other = two_models()
    images, classes = np.random.default_rng(1).permutation(200), np.array([3, 1, 4, 0, 2])
    mixed = replace(
        other,
        names=tuple(other.names[image] for image in images),
        labels=np.argsort(classes)[other.labels[images]],
        probabilities=other.probabilities[images][:, classes],
        classes=tuple(other.classes[number] for number in classes),
    )
    assert compare(one, mixed, resamples=50) == compare(one, other, resamples=50)


def test_images_of_the_same_name_are_matched_in_order():
    one, other = two_models(4)
    names = ("a", "a", "b", "b")
    turned = replace(
        other,
        names=("b", "a", "b", "a"),
        labels=other.labels[[2, 0, 3, 1]],
        probabilities=other.probabilities[[2, 0, 3, 1]],
    )
    expected = compare(replace(one, names=names), replace(other, names=names), resamples=9)
    assert compare(replace(one, names=names), turned, resamples=9) == expected


def test_groups_count_whichever_model_knows_them():
    one, other = two_models()
    order = np.random.default_rng(1).permutation(200)
    known = replace(
        other,
        names=tuple(other.names[image] for image in order),
        labels=other.labels[order],
        probabilities=other.probabilities[order],
        groups=order // 10,
    )
    there, back = compare(one, known, resamples=200), compare(known, one, resamples=200)
    assert there == compare(replace(one, groups=np.arange(200) // 10), other, resamples=200)
    assert (there.groups, there.groups_needed) == (20, back.groups_needed)
    assert there.p_value == back.p_value != compare(one, other, resamples=9).p_value
    for figure, turned in ((there.top1, back.top1), (there.macro_f1, back.macro_f1)):
        assert (figure.low, figure.high) == pytest.approx((-turned.high, -turned.low))


def test_names_and_their_escaped_forms_are_the_same():
    """One table was read from a file, the other one comes from the images."""
    one, other = two_models(3)
    one = replace(one, names=("a\n", "b", "c"), classes=("\t", *one.classes[1:]))
    other = replace(other, names=("a\\n", "b", "c"), classes=("\\t", *other.classes[1:]))
    assert compare(one, other, resamples=9).images == 3


def test_what_is_not_the_same_is_refused():
    one, other = two_models(20)
    fewer = replace(
        other, names=other.names[1:], labels=other.labels[1:], probabilities=other.probabilities[1:]
    )
    told = r"got 20 and 19 images, of which 1 are missing from the second, such as val/00000\.jpg"
    with pytest.raises(DataError, match=told):
        compare(one, fewer)
    labels = other.labels.copy()
    labels[3] = (labels[3] + 1) % 5
    told = r"same labels, got val/00003\.jpg as 'class \d' and 'class \d'"
    with pytest.raises(DataError, match=told):
        compare(one, replace(other, labels=labels))
    with pytest.raises(DataError, match="same classes, and only one has 'class 4'"):
        compare(one, replace(other, classes=(*other.classes[:4], "moth")))
    with pytest.raises(DataError, match="same images"):
        compare(one, replace(other, names=(*other.names[:-1], other.names[0])))
