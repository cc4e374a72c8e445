"""Images of any kind in, records out."""

import dataclasses
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from places import ROOT
from tlf.data.transforms import center_crop, load, normalize
from tlf.errors import DataError
from tlf.inference.classifier import AT_ONCE, TrainedClassifier
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = Classifier(backbone, nn.Linear(6, 3), {"stem": ("0.weight", "0.bias")}).eval()
    return TrainedClassifier(model, ("a", "b", "c"), Preprocessing(size=20, resize=24))


@pytest.fixture
def path(images):
    return images / "val" / "squares" / "002.jpg"


def test_one_image_is_one_record(classifier, path):
    found = classifier.predict(path)
    preprocessing = classifier.preprocessing
    images = normalize(
        center_crop(load(path.read_bytes(), preprocessing), preprocessing.size)[None], preprocessing
    )
    expected = classifier.model(images).softmax(1)[0].tolist()
    assert [*found.probabilities] == ["a", "b", "c"]
    assert list(found.probabilities.values()) == pytest.approx(expected, abs=1e-6)
    assert found.probability == max(found.probabilities.values())
    assert found.probabilities[found.label] == found.probability
    assert found.path == str(path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.label = "b"


def test_a_image_is_a_path_bytes_or_opened(classifier, path):
    opened = Image.open(path)
    forms = [path, str(path), path.read_bytes(), opened, Image.open(path).convert("RGB")]
    singles = [classifier.predict(form) for form in forms]
    assert len({tuple(one.probabilities.items()) for one in singles}) == 1
    assert [one.path for one in singles] == [str(path), str(path), None, None, None]
    together = classifier.predict(forms)
    assert [one.label for one in together] == [one.label for one in singles]
    assert classifier.predict(tuple(forms)) == together
    assert classifier.predict([]) == []


def test_images_that_pillow_made_are_treated_as_files_are(classifier, tmp_path):
    for mode in ("L", "LA", "RGBA", "P", "CMYK", "1"):
        image = Image.linear_gradient("L").resize((40, 30)).convert(mode)
        file = tmp_path / f"{mode}.tif"
        image.save(file)
        assert classifier.predict(image).probabilities == classifier.predict(file).probabilities, (
            mode
        )


def test_an_array_is_the_image_with_its_pixels(classifier, path, tmp_path):
    array = np.array(Image.open(path))
    alpha = np.dstack([array, np.full(array.shape[:2], 90, np.uint8)])
    for pixels in (array, array[:, :, 0], alpha):
        Image.fromarray(pixels).save(tmp_path / "same.png")
        expected = classifier.predict(tmp_path / "same.png").probabilities
        assert classifier.predict(pixels).probabilities == expected
    by_path = classifier.predict(path).probabilities
    as_opencv = np.ascontiguousarray(array[..., ::-1])
    assert classifier.predict(as_opencv[..., ::-1]).probabilities == by_path
    assert classifier.predict(as_opencv).probabilities != by_path
    together = classifier.predict([array, path, array])
    assert [one.path for one in together] == [None, str(path), None]


@pytest.mark.parametrize(
    ("thing", "told"),
    [
        (None, "NoneType is no image; give a path, the bytes of a file, a Pillow image, a"),
        (3, "int is no image"),
        (torch.zeros(3, 8, 8), "Tensor is no image"),
        ((path for path in ("a.jpg",)), "generator is no image; .* or a list of these"),
        (np.zeros((8, 8, 3)), r"an image array must be uint8, RGB .* got float64 \(8, 8, 3\)"),
        (
            np.zeros((2, 8, 8, 3), np.uint8),
            r"an image array must be uint8, RGB .* got uint8 \(2, 8, 8, 3\)",
        ),
        (
            np.zeros((3, 8, 8), np.uint8),
            r"an image array must be uint8, RGB .* got uint8 \(3, 8, 8\)",
        ),
        (np.zeros(8, np.uint8), r"an image array must be uint8, RGB .* got uint8 \(8,\)"),
        (np.zeros((0, 8, 3), np.uint8), r"an image array must have pixels, got \(0, 8, 3\)"),
    ],
    ids=["none", "number", "tensor", "generator", "floats", "batch", "channels", "line", "empty"],
)
def test_what_is_no_image_is_told_what_is_taken(classifier, path, thing, told):
    with pytest.raises(DataError, match=f"image 0: {told}"):
        classifier.predict(thing)
    with pytest.raises(DataError, match=f"image 1: {told}"):
        classifier.predict([path, thing])


def test_more_than_go_through_at_once(classifier, path):
    found = classifier.predict([path] * (AT_ONCE + 1))
    assert len(found) == AT_ONCE + 1
    for one in found:
        assert one.probabilities == pytest.approx(found[0].probabilities, abs=1e-6)


def test_the_model_may_be_of_another_number_of_channels(path):
    backbone = nn.Sequential(nn.Conv2d(1, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = Classifier(backbone, nn.Linear(6, 2), {"stem": ("0.weight", "0.bias")}).eval()
    preprocessing = Preprocessing(size=20, resize=24, mean=(0.5,), std=(0.5,))
    grey = TrainedClassifier(model, ("a", "b"), preprocessing)
    assert grey.predict(path) == dataclasses.replace(
        grey.predict(Image.open(path).convert("L")), path=str(path)
    )


def test_errors_name_the_image(classifier, path, tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg: No such file"):
        classifier.predict("gone.jpg")
    with pytest.raises(DataError, match="image 1: the file is empty"):
        classifier.predict([path, b""])
    many = [path] * AT_ONCE
    with pytest.raises(DataError, match=f"image {AT_ONCE}: not an image in a known format"):
        classifier.predict([*many, b"no image at all"])
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"cut\.png: "):
        classifier.predict(Path(tmp_path / "cut.png"))
    with pytest.raises(DataError, match="image 0: 32-bit values"):
        classifier.predict(Image.new("F", (30, 30)))


def test_every_public_member_of_a_classifier_is_described():
    """With the shapes that it has."""
    part = (ROOT / "tlf/API.md").read_text(encoding="utf-8").partition("## `TrainedClassifier`")[2]
    rows = re.findall(r"^\| `(\w+)(\(.*?\))?` \|", part, re.MULTILINE)
    known = {name for name in dir(TrainedClassifier) if not name.startswith("_")}
    known |= {field.name for field in dataclasses.fields(TrainedClassifier)}
    assert sorted(name for name, _ in rows) == sorted(known)
    for name, parameters in rows:
        if parameters:
            signature = inspect.signature(getattr(TrainedClassifier, name)).parameters.values()
            names = [p.name if p.default is p.empty else f"{p.name}={p.default}" for p in signature]
            assert parameters == f"({', '.join(names[1:])})"


def test_what_the_members_of_a_classifier_give_has_the_described_shapes(classifier, path):
    prepared = classifier.prepare([path, path])
    assert (prepared.shape, prepared.dtype) == ((2, 3, 20, 20), torch.float32)
    logits = classifier.compute(prepared, classifier.precision)
    assert (logits.shape, logits.dtype) == ((2, len(classifier.labels)), torch.float32)
    assert classifier.model(prepared).shape == logits.shape
    assert classifier.model.features(prepared).shape == (2, 6)
