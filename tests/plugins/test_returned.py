"""What components return is checked: its type, its shape and its values."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tlf.components import BuiltBackbone, Labelled, Split, Splits
from tlf.plugins.returned import (
    checked_backbone,
    checked_features,
    checked_head,
    checked_image,
    checked_labelled,
    checked_mix,
    checked_splits,
)
from tlf.preprocessing import Preprocessing

IMAGES, TARGETS = torch.zeros(2, 3, 4, 4), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
PIXELS = torch.zeros(3, 6, 8, dtype=torch.uint8)
SPLIT = Split(["a", "b"], [0, 1], bytes)
SPLITS = Splits(SPLIT, SPLIT, ("ant", "bee"))
BUILT = BuiltBackbone(nn.Linear(2, 8), 8, {"stem": ("weight",)}, Preprocessing(), "fc")


def refused(check, *arguments, **options):
    with pytest.raises(ValueError, match=r"^.* must .*, got |^a stage must not") as caught:
        check(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (None, "build must return Splits, got None"),
        ((SPLIT, SPLIT, ("ant",)), "build must return Splits, got a tuple"),
        (replace(SPLITS, classes=["ant", "bee"]), "classes must be a tuple of strings, got a list"),
        (replace(SPLITS, classes=("ant", "ant")), "must have each name once, got 'ant' twice"),
        (replace(SPLITS, eval=None), "Splits.eval must be a Split, got None"),
        (replace(SPLITS, train=Split((n for n in "ab"), [0, 1], bytes)), "Splits.train.names must"),
        (replace(SPLITS, train=Split([], [], bytes)), "Splits.train must hold images, got none"),
        (replace(SPLITS, train=Split(["a"], [0, 1], bytes)), "got 1 names and 2 labels"),
        (replace(SPLITS, train=Split(["a", b"b"], [0, 1], bytes)), "be strings, got a bytes"),
        (replace(SPLITS, train=Split(["a"], [0], b"x")), "read must be a function, got a bytes"),
    ],
)
def test_splits(splits, message):
    assert checked_splits(SPLITS) is SPLITS
    assert message in refused(checked_splits, splits)


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (nn.Linear(2, 8), "build must return a BuiltBackbone, got a Linear"),
        (replace(BUILT, module=nn.Linear), "a torch.nn.Module, got the class Linear"),
        (replace(BUILT, num_features=8.0), "num_features must be a whole number, 1 or more, got 8"),
        (replace(BUILT, num_features=True), "num_features must be a whole number"),
        (replace(BUILT, preprocessing={"size": 8}), "must be a Preprocessing, got a dict"),
        (replace(BUILT, classifier=None), "classifier must be a name, such as 'fc', got None"),
        (replace(BUILT, stages=[("stem", ())]), "stages must be a mapping with names as its keys"),
        (replace(BUILT, stages={"head": ()}), "a stage must not be called 'head'"),
        (replace(BUILT, stages={"a": (n for n in "x")}), "of parameters, got a generator"),
        (replace(BUILT, stages={"a": "weight"}), "a tuple of names of parameters, got a str"),
        (replace(BUILT, stages={"a": [torch.zeros(1)]}), "'a' must hold names, got a Tensor"),
        (replace(BUILT, config={"a": {1}}), "config must be a mapping of values of JSON, got"),
    ],
)
def test_backbones(built, message):
    assert checked_backbone(BUILT) is BUILT
    assert message in refused(checked_backbone, built)


def test_heads_and_features():
    assert isinstance(checked_head(nn.Identity()), nn.Identity)
    assert "a torch.nn.Module, got a function" in refused(checked_head, refused)
    for shape, pools in (((2, 8), False), ((2, 8, 3, 3), True), ((2, 5, 8), True)):
        checked_features(torch.zeros(shape), 2, 8, pools=pools)
        other = torch.zeros(*shape[:-1], 9) if shape != (2, 8, 3, 3) else torch.zeros(2, 9, 3, 3)
        assert f"got {tuple(other.shape)}" in refused(checked_features, other, 2, 8, pools=pools)
    for wrong, message in (
        ((torch.zeros(2, 8),), "a torch.Tensor, got a tuple"),
        (torch.zeros(2, 8, dtype=torch.long), "floating-point type, got torch.int64"),
        (torch.full((2, 8), torch.nan), "must be finite, got NaN or infinity"),
    ):
        assert message in refused(checked_features, wrong, 2, 8, pools=False)


def test_images():
    assert checked_image(PIXELS, PIXELS) is PIXELS
    for wrong, message in (
        (None, "got None"),
        (PIXELS.numpy(), "got a ndarray"),
        (PIXELS[None], "got torch.uint8 (1, 3, 6, 8)"),
        (PIXELS[:, :0], "with pixels, got torch.uint8 (3, 0, 8)"),
    ):
        assert message in refused(checked_image, wrong, PIXELS)


@pytest.mark.parametrize(
    ("mixed", "message"),
    [
        (None, "two tensors of the shapes (2, 3, 4, 4) and (2, 2), got None"),
        ((IMAGES, TARGETS, 1), "got a tuple"),
        ((IMAGES, TARGETS.tolist()), "got a tuple"),
        ((IMAGES[:1], TARGETS), "got (1, 3, 4, 4) and (2, 2)"),
        ((IMAGES, TARGETS.double()), "got torch.float32 (2, 3, 4, 4) and torch.float64 (2, 2)"),
        ((IMAGES / 0, TARGETS), "finite images, got NaN or infinity"),
        ((IMAGES, TARGETS * 2), "0 or more, each row with a sum of 1, got "),
        ((IMAGES, TARGETS * torch.tensor([[-1.0, 2.0]])), "0 or more, each row with a sum of 1"),
    ],
)
def test_mixed_batches(mixed, message):
    made, blended = checked_mix([IMAGES, TARGETS], IMAGES, TARGETS, values=True)
    assert made is IMAGES
    assert blended is TARGETS
    assert message in refused(checked_mix, mixed, IMAGES, TARGETS, values=True)


def test_one_split_of_a_dataset():
    labelled = Labelled(SPLIT, ("ant", "bee"))
    assert checked_labelled(labelled) is labelled
    assert refused(checked_labelled, SPLITS).startswith("labelled must return Labelled, got")
    assert "Labelled.classes" in refused(checked_labelled, replace(labelled, classes=["ant"]))
    for label in (2, -1, 0.5, None):
        wrong = replace(labelled, images=Split(["a"], [label], bytes))
        assert "labels must be whole numbers from 0 to 1, the" in refused(checked_labelled, wrong)
    several = replace(labelled, images=Split(["a", "b"], [(0, 1), ()], bytes))
    assert checked_labelled(several) is several
    wrong = replace(labelled, images=Split(["a"], [(0, 2)], bytes))
    assert "labels must be whole numbers from 0 to 1, the" in refused(checked_labelled, wrong)
    assert "notes must be a tuple" in refused(checked_labelled, replace(labelled, notes="x"))
    empty = replace(labelled, images=Split([], [], bytes))
    assert refused(checked_labelled, empty) == "Labelled.images must hold images, got none"
