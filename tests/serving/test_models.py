"""Which models share a backbone, and how images are read for them."""

import math

import pytest
import torch

from tlf.errors import RunError, WeightsError
from tlf.evaluation.models import sha256_of
from tlf.inference.classifier import TrainedClassifier
from tlf.serving import models
from tlf.serving.models import Upload, load_models, run_names
from tlf.serving.refusals import RefusedError


@pytest.fixture(scope="module")
def loaded(served_runs):
    return load_models(served_runs, None, "cpu", 0)


def read(loaded, path):
    return loaded.read(Upload(path.name, path.read_bytes()), 0, 10**9)


def test_runs_on_one_backbone_hold_it_once_and_compute_its_features_once(
    loaded, jpegs, monkeypatch
):
    one, two, three = loaded.each
    assert [model.features for model in loaded.each] == [0, 0, 2]
    assert one.classifier.model.backbone is two.classifier.model.backbone
    assert three.classifier.model.backbone is not one.classifier.model.backbone
    computed, features = [], TrainedClassifier.features

    def counted(classifier, pixels, precision):
        computed.append(len(pixels))
        return features(classifier, pixels, precision)

    monkeypatch.setattr(TrainedClassifier, "features", counted)
    found = loaded.classify([read(loaded, path) for path in jpegs[:3]])
    assert computed == [3, 3]
    assert [len(of_image) for of_image in found] == [3, 3, 3]


def test_a_run_on_the_hub_and_a_file_say_their_hash(served_runs, monkeypatch):
    monkeypatch.setattr("tlf.pretrained.hub_runs.fetch_run", lambda _: served_runs[0])
    found = load_models(["hf-hub:me/ants", served_runs[2] / "model.safetensors"], None, "cpu", 0)
    assert [model.run for model in found.each] == ["ants", "three"]
    assert [model.sha256 for model in found.each] == [sha256_of(served_runs[n]) for n in (0, 2)]


def test_equal_tensors_of_another_network_are_another_backbone(served_runs, monkeypatch):
    features, calls = models._features, []

    def other(model):
        calls.append(model)
        return features(model) + len(calls)

    monkeypatch.setattr(models, "_features", other)
    found = load_models(served_runs[:2], None, "cpu", 0)
    assert [model.features for model in found.each] == [0, 1]


def test_images_are_read_once_for_models_that_want_them_alike(loaded, jpegs):
    assert len(loaded.preprocessing) == 1
    image = read(loaded, jpegs[0])
    (pixels,) = image.pixels
    assert (image.name, pixels.dtype, pixels.shape) == (jpegs[0].name, torch.uint8, (3, 32, 32))


def test_unnamed_images_have_a_number_in_errors(loaded, jpegs):
    with pytest.raises(RefusedError, match=r"^image 3: not an image in a known format"):
        loaded.read(Upload(None, b"hello"), 3, 10**9)
    with pytest.raises(RefusedError, match=r"^image 3 must have at most 5 pixels, got "):
        loaded.read(Upload(None, jpegs[0].read_bytes()), 3, 5)


def test_a_model_that_gives_no_numbers_is_found_at_the_start(served_runs, monkeypatch):
    features = TrainedClassifier.features
    monkeypatch.setattr(TrainedClassifier, "features", lambda *given: features(*given) * math.nan)
    with pytest.raises(WeightsError, match="must be finite"):
        load_models(served_runs[:1], None, "cpu", 0)


def test_names_of_runs_are_as_short_as_they_can_be(tmp_path):
    names = run_names([tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "b" / "other"])
    assert names == ["a/run", "b/run", "b/other"]
    with pytest.raises(RunError, match="twice; write it once"):
        run_names([tmp_path, tmp_path / "a" / ".."])
