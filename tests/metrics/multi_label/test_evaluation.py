"""Every figure of decisions is what scikit-learn computes."""

import numpy as np
import pytest
from sklearn import metrics as sk

from label_sets import LABEL_SETS, drawn_sets, marked
from tlf.errors import DataError
from tlf.metrics.figures import Figure
from tlf.metrics.multi_label.evaluation import evaluation, of_probabilities, resamples_for

NAN = {"zero_division": np.nan}


@pytest.fixture(scope="module", params=LABEL_SETS)
def found(request):
    return LABEL_SETS[request.param]()


def test_headline_figures_are_those_of_scikit_learn(found):
    headline = {name: one.value for name, one in evaluation(found, resamples=20).headline.items()}
    labels, given, rows = found.labels, found.predicted, found.probabilities
    every = [{"average": how, **NAN} for how in ("macro", "micro")]
    with_images = labels.any(0)
    expected = {
        "map": sk.average_precision_score(labels[:, with_images], rows[:, with_images])
        if with_images.any()
        else None,
        "exact_match": sk.accuracy_score(labels, given),
        "hamming_loss": sk.hamming_loss(labels, given),
        "nll": sk.log_loss(labels.ravel(), rows.ravel(), labels=[False, True]),
        "brier": sk.mean_squared_error(labels.ravel().astype(float), rows.ravel()),
        "ece": headline["ece"],
    }
    for name, figure in (("f1", sk.f1_score), ("precision", sk.precision_score),
                         ("recall", sk.recall_score)):  # fmt: skip
        expected |= {f"{how['average']}_{name}": figure(labels, given, **how) for how in every}
    assert headline.keys() == expected.keys()
    for name, value in expected.items():
        if value is None or np.isnan(value):
            assert headline[name] is None, name
        else:
            assert headline[name] == pytest.approx(value, abs=1e-12), name


def test_the_figures_of_probabilities_are_the_same_by_themselves(found):
    alone, headline = (
        of_probabilities(found, resamples=20),
        evaluation(found, resamples=20).headline,
    )
    assert alone == {name: headline[name] for name in ("nll", "brier", "ece")}


def test_figures_of_each_class_are_those_of_scikit_learn(found):
    for k, one in enumerate(evaluation(found, resamples=20).per_class):
        labels, given, row = found.labels[:, k], found.predicted[:, k], found.probabilities[:, k]
        assert (one.name, one.support, one.predicted) == (
            found.classes[k], labels.sum(), given.sum()
        )  # fmt: skip
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            labels, given, average="binary", **NAN
        )
        ap = sk.average_precision_score(labels, row) if labels.any() else np.nan
        for figure, value in ((one.ap, ap), (one.precision, precision), (one.recall, recall),
                              (one.f1, f1)):  # fmt: skip
            assert (
                (figure.value is None) if np.isnan(value) else figure.value == pytest.approx(value)
            )
            assert figure.value is None or figure.low <= figure.value <= figure.high
        assert (one.curve is None) == (not 0 < labels.sum() < len(labels))
        if one.curve:
            assert one.curve.area == pytest.approx(ap)


def test_calibration_is_the_distance_of_probabilities_from_the_rate_of_labels():
    found = drawn_sets(200, 5)
    result = evaluation(found, resamples=20)
    rows, labels = found.probabilities.ravel(), found.labels.ravel()
    bins = np.ceil(rows * 15 - 1e-9).clip(1) - 1
    gaps = [abs((rows - labels)[bins == b].sum()) for b in range(15)]
    assert result.headline["ece"].value == pytest.approx(sum(gaps) / len(rows))
    assert sum(result.calibration.counts) == found.labels.size


def test_an_interval_is_that_of_the_figure_of_resamples():
    found = drawn_sets(80, 3)
    result = evaluation(found, resamples=150)
    random, drawn = np.random.default_rng(5), []
    for _ in range(150):
        some = random.integers(0, 80, 80)
        labels, rows = found.labels[some], found.probabilities[some]
        drawn.append(np.mean([sk.average_precision_score(labels[:, k], rows[:, k])
                              for k in range(3)]))  # fmt: skip
    low, middle, high = np.quantile(drawn, [0.025, 0.5, 0.975])
    one = result.headline["map"]
    assert one.low == pytest.approx(one.value + low - middle, abs=0.05)
    assert one.high == pytest.approx(min(1, one.value + high - middle), abs=0.05)
    assert evaluation(found, resamples=150) is not result
    assert evaluation(found, resamples=150).headline == result.headline


def test_images_that_have_two_classes_are_counted_for_the_pair():
    result = evaluation(marked([[1, 1, 0], [1, 1, 1], [0, 0, 0]], np.eye(3)), resamples=10)
    assert result.co_occurrence.tolist() == [[2, 2, 1], [2, 2, 1], [1, 1, 1]]
    assert result.predicted_co_occurrence.tolist() == np.eye(3).tolist()
    assert (result.labels, result.without, result.images) == (5, 1, 3)
    assert result.frequency == pytest.approx(5 / 9)


def test_no_image_and_no_probability_are_refused():
    with pytest.raises(DataError, match="at least one image"):
        evaluation(marked(np.zeros((0, 2)), np.zeros((0, 2))))
    with pytest.raises(DataError, match="must be numbers from 0 to 1"):
        evaluation(marked([[1, 0]], [[1.5, 0]]))


def test_many_decisions_have_fewer_resamples():
    assert evaluation(drawn_sets(5, 2)).resamples == 2000
    assert resamples_for(40_000, 600) == 200


def test_a_figure_without_images_is_not_defined():
    one, *_ = evaluation(LABEL_SETS["no label"](), resamples=10).per_class
    assert (one.ap, one.recall, one.f1, one.precision) == (Figure(None),) * 4
