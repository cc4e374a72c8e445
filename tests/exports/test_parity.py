"""The images and predictions that an export is compared with."""

import pytest
import torch

import tlf as package
from run_files import predictions
from tlf.errors import DataError, RunError
from tlf.exports import parity
from tlf.exports.parity import read_sample


@pytest.fixture
def sample(finished):
    return read_sample(finished, package.load_classifier(finished))


def test_the_sample_is_what_the_run_predicted(finished, images, sample):
    rows = predictions(finished)
    classifier = package.load_classifier(finished)
    prepared = classifier.prepare([images / row["path"] for row in rows])
    assert torch.equal(sample.images, prepared)
    written = [[float(row["p_circles"]), float(row["p_squares"])] for row in rows]
    assert torch.equal(sample.probabilities, torch.tensor(written))
    assert sample.labels.tolist() == [0] * 6 + [1] * 5
    assert sample.difference(sample.probabilities + 0.25) == pytest.approx(0.25)
    assert sample.evaluate(torch.eye(2)[sample.labels]) == {"top1": 1.0}


def test_at_most_so_many_images_are_spread_over_the_split(finished, sample, monkeypatch):
    monkeypatch.setattr(parity, "AT_MOST", 4)
    some = read_sample(finished, package.load_classifier(finished))
    assert len(some.labels) == 4  # every third of 11
    assert torch.equal(some.probabilities, sample.probabilities[::3])
    assert torch.equal(some.images, sample.images[::3])
    assert set(some.labels.tolist()) == {0, 1}


def test_missing_images_and_predictions_are_reported(run_copy):
    classifier, table = package.load_classifier(run_copy), run_copy / "predictions.csv"
    table.write_text(table.read_text().replace("/00", "/gone"))
    with pytest.raises(DataError, match=r"^10 of the run's eval images are missing, such as val/"):
        read_sample(run_copy, classifier)
    table.write_text(table.read_text().replace("circles", "spheres"))
    with pytest.raises(RunError, match=r"must have the classes of the model, .*, got .*'spheres'"):
        read_sample(run_copy, classifier)
    table.unlink()
    with pytest.raises(RunError, match=r"there is no .*predictions\.csv, with which"):
        read_sample(run_copy, classifier)
