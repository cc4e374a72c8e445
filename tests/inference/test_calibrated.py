"""Calibration: the exact numbers, from the images that a run names, in the files that it writes."""

import csv
import json
from dataclasses import asdict
from math import ceil

import numpy as np
import pytest
import torch
from torch.nn import functional

from tlf.errors import WeightsError
from tlf.inference.calibrated import MOST, Calibrated, calibrate
from tlf.inference.head import load_head
from tlf.inference.metadata import _check_calibrated, check_thresholds, read_metadata
from tlf.inference.predict import load_classifier
from tlf.inference.sealed_file import read_sealed, write_sealed
from tlf.tasks import TASKS


def drawn(images, classes, seed=0):
    """Logits that are right more often than not, and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (images,), generator=generator)
    logits = torch.randn(images, classes, generator=generator)
    logits[torch.arange(images), labels] += 2
    return logits, labels


def calibrated(logits, labels, coverage=0.9):
    probabilities = TASKS["single-label"].probabilities(logits)
    return calibrate(TASKS["single-label"], logits, probabilities, labels, coverage, "eval")


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize(("images", "classes"), [(150, 3), (40, 2), (60, 1000)])
def test_the_threshold_is_the_finite_sample_quantile(images, classes, coverage):
    logits, labels = drawn(images, classes)
    found = calibrated(logits, labels, coverage)
    powers = np.exp(logits.double().numpy())
    own = (powers / powers.sum(1, keepdims=True))[np.arange(images), labels.numpy()]
    place = ceil(round((images + 1) * coverage, 9))
    assert found.threshold == pytest.approx(np.sort(own)[::-1][place - 1], rel=1e-5)
    assert (found.coverage, found.source, found.images) == (coverage, "eval", images)


def test_the_temperature_has_the_least_nll():
    logits, labels = drawn(400, 5)

    def nll(temperature):
        return torch.nn.functional.cross_entropy(logits.double() / temperature, labels).item()

    found = calibrated(3 * logits, labels).temperature / 3
    assert nll(found) <= min(nll(found * factor) for factor in (0.99, 1.01))


def test_many_images_are_sampled_evenly_for_the_temperature():
    logits, labels = drawn(2 * MOST + 1, 2)
    every = calibrated(logits, labels)
    assert every.images == 2 * MOST + 1
    assert every.temperature == calibrated(logits[::3], labels[::3]).temperature


@pytest.mark.parametrize(("images", "coverage"), [(8, 0.9), (18, 0.95)])
def test_too_few_images_give_no_threshold(images, coverage):
    found = calibrated(*drawn(images, 2), coverage)
    assert found.threshold is None
    assert found.kept({"a": 0.9, "b": 0.1}) is None
    assert calibrated(*drawn(images + 1, 2), coverage).threshold is not None


def test_a_threshold_of_0_keeps_every_label():
    logits = torch.tensor([[0.0, 1000.0]] * 40)
    found = calibrated(logits, torch.zeros(40, dtype=torch.int64))
    assert found.threshold == 0
    assert found.kept({"a": 0.0, "b": 1.0}) == ("b", "a")
    assert _check_calibrated(asdict(found))["threshold"] == 0


def test_the_labels_that_are_kept():
    kept = Calibrated(1.0, 0.9, 0.3, "eval", 80).kept
    assert kept({"a": 0.3, "b": 0.4, "c": 0.3}) == ("b", "a", "c")
    assert kept({"a": 0.29, "b": 0.71}) == ("b",)
    assert kept({"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}) == ()


def test_a_run_is_calibrated_by_its_eval_split(finished):
    with (finished / "predictions.csv").open(newline="") as file:
        own = sorted(float(row[f"p_{row['label']}"]) for row in csv.DictReader(file))
    found = read_metadata(finished / "model.safetensors").calibration
    assert (found.source, found.images, found.coverage) == ("eval", 11, 0.9)
    assert found.threshold == pytest.approx(own[11 - 11], abs=1e-6)  # ceil(12 × 0.9) = 11 of 11
    assert load_head(finished / "head.safetensors").calibrated == found
    assert load_classifier(finished).calibrated == found


def test_files_of_older_formats_say_nothing_and_others_are_refused(finished, tmp_path):
    from safetensors.torch import load

    about, data = read_sealed(finished / "head.safetensors")
    tensors, path = load(data), tmp_path / "head.safetensors"
    given = about.pop("calibrated")
    write_sealed(path, tensors, about)
    assert load_head(path).calibrated is None
    told = r"has incomplete or unknown metadata: .*calibrated"
    for wrong in (
        [], {}, given | {"temperature": 0}, given | {"temperature": "1"}, given | {"more": 1},
        given | {"threshold": 1e9}, given | {"source": 7}, given | {"images": 1.5},
    ):  # fmt: skip
        write_sealed(path, tensors, about | {"calibrated": wrong})
        with pytest.raises(WeightsError, match=told):
            load_head(path)
    assert json.dumps(given)


def test_a_model_of_several_labels_has_thresholds_and_the_temperature_of_its_decisions():
    task = TASKS["multi-label"]
    logits = 3 * torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    labels = (torch.rand(60, 4, generator=torch.Generator().manual_seed(1)) < logits.sigmoid()) * 1
    labels = labels.byte()

    def nll(temperature):
        own = logits.double() / temperature
        return functional.binary_cross_entropy_with_logits(own, labels.double()).item()

    found = calibrate(task, logits, logits.sigmoid(), labels, 0.9, "out-of-fold")
    assert nll(found.temperature) <= min(nll(found.temperature * f) for f in (0.99, 1.01))
    assert (found.threshold, found.images, found.source) == (None, 60, "out-of-fold")
    assert found.thresholds == task.thresholds(logits.sigmoid(), labels)
    assert len(found.thresholds) == 4
    assert found.kept({"a": 1.0}) is None
    about = json.loads(json.dumps(found.as_json()))
    assert _check_calibrated(about) == about
    check_thresholds("calibrated.thresholds", about["thresholds"], 4)


def test_thresholds_of_a_file_are_one_fraction_for_each_class():
    for wrong in ([0.5], [0.5, 1.5], [0.5, "a"], [0.5, float("nan")], "ab"):
        with pytest.raises(ValueError, match="thresholds must be a list of numbers from 0 to 1"):
            check_thresholds("calibrated.thresholds", wrong, 2)


def test_a_model_without_thresholds_does_not_write_any():
    assert "thresholds" not in Calibrated(1.0, 0.9, 0.25, "eval", 80).as_json()
    assert Calibrated(1.0, 0.9, None, "eval", 80, (0.5,)).as_json()["thresholds"] == (0.5,)
