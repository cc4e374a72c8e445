"""Every figure is what scikit-learn computes from predictions.csv."""

import csv
import warnings
from dataclasses import astuple, replace

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from predicted_sets import SETS, drawn, predicted
from tlf.errors import DataError
from tlf.inference.predictions import read_predictions, write_csv
from tlf.metrics.evaluation import evaluation
from tlf.metrics.figures import Figure
from tlf.metrics.resampling import resampled
from tlf.tasks import TASKS

NAN = {"zero_division": np.nan}


@pytest.fixture(scope="module", params=SETS)
def table(request, tmp_path_factory):
    """A predictions.csv of each shape."""
    found = SETS[request.param]()
    path = tmp_path_factory.mktemp("run") / "predictions.csv"
    write(path, found)
    return path


def write(path, found):
    rows, labels = torch.tensor(found.probabilities).float(), torch.tensor(found.labels)
    write_csv(path, found.names, rows, found.classes, labels, TASKS["single-label"])


def read(path):
    """Labels, predictions, probabilities and classes, read without tlf."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    classes = [column[2:] for column in header[3:]]
    labels, said = ([classes.index(row[place]) for row in rows] for place in (1, 2))
    probabilities = np.array([[float(figure) for figure in row[3:]] for row in rows])
    return np.array(labels), np.array(said), probabilities, classes


def test_headline_figures_are_those_of_scikit_learn(table):
    found = evaluation(read_predictions(table), resamples=100)
    labels, said, rows, classes = read(table)
    every = np.arange(len(classes))
    macro = {"average": "macro", "labels": every, **NAN}
    expected = {
        "top1": sk.accuracy_score(labels, said),
        "balanced_accuracy": sk.recall_score(labels, said, **macro),
        "macro_precision": sk.precision_score(labels, said, **macro),
        "macro_recall": sk.recall_score(labels, said, **macro),
        "macro_f1": sk.f1_score(labels, said, **macro),
        "ece": ece(labels, said, rows),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float32 rows do not sum to exactly 1
        expected["balanced_accuracy"] = sk.balanced_accuracy_score(labels, said)
        if len(classes) > 1:
            expected["nll"] = sk.log_loss(labels, rows, labels=every)
    expected["brier"] = brier(labels, rows)
    if len(classes) > 5:  # scikit-learn takes the last of equal probabilities, tlf the first
        backwards = len(classes) - 1 - labels
        top5 = sk.top_k_accuracy_score(backwards, rows[:, ::-1], k=5, labels=every)
        expected["top5"] = top5
    assert ("top5" in found.headline) == (len(classes) > 5)
    for name, value in expected.items():
        assert found.headline[name].value == pytest.approx(value, abs=1e-9), name
    assert found.majority == sk.accuracy_score(labels, np.full(len(labels), most(labels)))
    assert found.majority_class == classes[most(labels)]


def most(labels):
    return int(np.bincount(labels).argmax())


def brier(labels, rows):
    """``sk.brier_score_loss`` before 1.7 takes two classes only."""
    classes = rows.shape[1]
    mean = sk.mean_squared_error(np.eye(classes)[labels], rows)  # over images and classes
    return mean * (1 if classes == 2 else classes)


def ece(labels, said, rows):
    """Of scikit-learn's bins, weighted by their images."""
    highest = rows.max(1)
    accuracy, confidence = calibration_curve(said == labels, highest, n_bins=15)
    counts = np.histogram(np.ceil(highest * 15 - 1e-12), np.arange(17) - 0.5)[0]
    return float(np.abs(accuracy - confidence) @ counts[counts > 0] / len(labels))


def test_classes_and_confusions_are_those_of_scikit_learn(table):
    found = evaluation(read_predictions(table), resamples=100)
    labels, said, _, classes = read(table)
    every = np.arange(len(classes))
    expected = sk.precision_recall_fscore_support(labels, said, labels=every, **NAN)
    for number, (one, *values) in enumerate(zip(found.per_class, *expected, strict=True)):
        assert one.name == classes[number]
        assert one.support == values[3]
        assert one.predicted == (said == number).sum()
        for figure, value in zip((one.precision, one.recall, one.f1), values, strict=False):
            assert figure.value == (None if np.isnan(value) else pytest.approx(value))
            assert (figure.value is None) == (figure.low is None) == (figure.high is None)
            assert figure.value is None or figure.low <= figure.value <= figure.high
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn asks for the labels that it was given
        matrix = sk.confusion_matrix(labels, said, labels=every)
    assert np.array_equal(found.confusion, matrix)


def test_curves_are_those_of_scikit_learn(table):
    found = evaluation(read_predictions(table), resamples=2)
    labels, _, rows, classes = read(table)
    if len(classes) != 2 or len(set(labels)) != 2:
        assert (found.roc, found.precision_recall) == (None, None)
        return
    assert found.roc.area == pytest.approx(sk.roc_auc_score(labels, rows[:, 1]))
    assert sk.auc(found.roc.x, found.roc.y) == pytest.approx(found.roc.area)
    area = sk.average_precision_score(labels, rows[:, 1])
    assert found.precision_recall.area == pytest.approx(area)


def test_nothing_warns_and_no_interval_misses_its_figure(table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluation(read_predictions(table), resamples=300)
    for name, one in found.headline.items():
        assert one.low <= one.value <= one.high, name


def test_a_run_is_evaluated_as_it_was(finished):
    """The top-1 that the run has measured."""
    from tlf.runs.history import read_history

    found = evaluation(read_predictions(finished / "predictions.csv"), resamples=100)
    best = max(epoch.metrics["top1"] for epoch in read_history(finished))
    assert found.headline["top1"].value == pytest.approx(best)
    labels, said, *_ = read(finished / "predictions.csv")
    assert found.headline["top1"].value == sk.accuracy_score(labels, said)


@pytest.mark.parametrize("name", ["a class without an image", "imbalanced", "two classes"])
def test_intervals_are_those_of_a_plain_bootstrap_with_scikit_learn(name):
    """The same resamples, given to scikit-learn as weights."""
    found, count = SETS[name](), 60
    labels, said, rows = found.labels, found.predicted, found.probabilities
    every = np.arange(len(found.classes))
    order = np.lexsort((said, labels))  # images are drawn in this order
    [block] = resampled(len(found), count, seed=5)
    weights = np.empty_like(block)
    weights[:, order] = block
    plain = {"top1": [], "macro_f1": [], "macro_precision": [], "nll": [], "brier": []}
    recalls = []
    rounded = rows / rows.sum(1, keepdims=True)
    for weight in weights:
        taken = np.repeat(np.arange(len(found)), weight.astype(int))
        of, macro = (labels[taken], said[taken]), {"average": "macro", "labels": every, **NAN}
        plain["top1"].append(sk.accuracy_score(*of))
        plain["macro_f1"].append(sk.f1_score(*of, **macro))
        plain["macro_precision"].append(sk.precision_score(*of, **macro))
        plain["nll"].append(sk.log_loss(labels, rounded, sample_weight=weight, labels=every))
        plain["brier"].append(brier(of[0], rows[taken]))
        recalls.append(sk.recall_score(*of, average=None, labels=every, **NAN))
    result = evaluation(found, resamples=count, seed=5)
    for metric, values in plain.items():
        check(result.headline[metric], values)
    for one, values in zip(result.per_class, np.transpose(recalls), strict=True):
        if one.support:
            check(one.recall, values)


def check(figure, values):
    low, median, high = np.nanquantile(values, [0.025, 0.5, 0.975])
    shift = figure.value - median
    assert figure.low == pytest.approx(max(0, low + shift), abs=1e-6)
    assert figure.high in (1, pytest.approx(high + shift, abs=1e-6))


def test_the_same_seed_gives_the_same_intervals():
    found = drawn(500, 4)
    one, same, other = (evaluation(found, resamples=200, seed=seed) for seed in (1, 1, 2))
    assert one.headline == same.headline
    assert one.per_class == same.per_class
    assert one.headline != other.headline
    assert {n: f.value for n, f in one.headline.items()} == {
        n: f.value for n, f in other.headline.items()
    }
    assert (other.resamples, other.seed) == (200, 2)


def test_intervals_do_not_depend_on_how_many_resamples_are_in_memory(monkeypatch):
    found = drawn(200, 4)
    whole = evaluation(found, resamples=150)
    monkeypatch.setattr("tlf.metrics.resampling._AT_ONCE", 1000)
    monkeypatch.setattr("tlf.metrics.evaluation._CLASSES_AT_ONCE", 3)
    parts = evaluation(found, resamples=150)
    assert parts.headline.keys() == whole.headline.keys()
    for name, figure in parts.headline.items():  # sums of other parts may differ in their last bits
        assert astuple(figure) == pytest.approx(astuple(whole.headline[name])), name
    assert parts.per_class == whole.per_class


def test_undefined_is_none():
    found = evaluation(SETS["a class without an image"](), resamples=100)
    without_image, never_predicted = found.per_class[2:4]
    assert (without_image.support, without_image.recall) == (0, Figure(None))
    assert without_image.predicted > 0
    assert (never_predicted.predicted, never_predicted.precision) == (0, Figure(None))
    assert never_predicted.f1.value == 0  # it has images, and none of them was found


def test_no_image_and_no_probability_are_refused_by_name():
    with pytest.raises(DataError, match="predictions must be of at least one image, got none"):
        evaluation(predicted([], np.zeros((0, 3))))
    for bad in (np.nan, np.inf, -0.1, 7.5):
        found = drawn(5, 3)
        rows = found.probabilities.copy()
        rows[3, 1] = bad
        told = (
            rf"probabilities of val/00003\.jpg must be numbers from 0 to 1, got {bad} for class 1"
        )
        with pytest.raises(DataError, match=told):
            evaluation(replace(found, probabilities=rows))


@pytest.mark.slow
@pytest.mark.parametrize(("images", "classes"), [(50_000, 10), (50_000, 1000)])
def test_many_images_take_bounded_memory(images, classes):
    """300 MB beside the input."""
    import tracemalloc

    found = drawn(images, classes, skill=5.0)
    tracemalloc.start()
    evaluation(found, resamples=200)
    assert tracemalloc.get_traced_memory()[1] < 300e6
    tracemalloc.stop()
