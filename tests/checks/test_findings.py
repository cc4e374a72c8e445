"""What a group of duplicates says about splits and classes."""

import json
from dataclasses import asdict

import pytest

from tlf.checks.findings import (
    Duplicates,
    Findings,
    ImageRef,
    Inseparable,
    LabelSuspect,
    OddSize,
    read_findings,
)

TRAIN, EVAL = (ImageRef(split, 0, f"{split}/a.jpg", "ant") for split in ("train", "eval"))
BEE = ImageRef("train", 1, "train/b.jpg", "bee")


def test_splits_and_classes():
    shared = Duplicates((TRAIN, EVAL), (0, 0), similarity=1.0)
    mixed = Duplicates((TRAIN, BEE), (0, 1), similarity=0.8)
    assert (shared.across_splits, shared.across_classes) == (True, False)
    assert (mixed.across_splits, mixed.across_classes) == (False, True)
    assert Findings({}, {}, duplicates=(shared, mixed)).leaks == (shared,)


def test_images_of_equal_bytes_are_told_from_near_duplicates():
    group = Duplicates((TRAIN, BEE, EVAL), (4, 5, 4), similarity=0.8)
    assert (group.exact, group.copies) == (False, ((TRAIN, EVAL),))
    assert Duplicates((TRAIN, EVAL), (4, 4), 1.0).exact
    assert Duplicates((TRAIN, EVAL), (4, 5), 1.0).copies == ()


@pytest.mark.parametrize(
    ("label", "proposed", "doubted", "told"),
    [
        ("ant", "bee", None, "looks like bee"),
        ("ant", "ant; bee", ("bee", "missing"), "bee seems to be missing"),
        ("", "bee", ("bee", "missing"), "bee seems to be missing"),
        ("ant; bee", "ant", ("bee", "wrong"), "bee seems to be wrong"),
        ("bee", "", ("bee", "wrong"), "bee seems to be wrong"),
    ],
)
def test_of_several_labels_the_doubted_one_is_named(label, proposed, doubted, told):
    found = Findings({}, {"train": {"ant": 1, "bee": 1}, "eval": {}})
    suspect = LabelSuspect(ImageRef("train", 0, "a.jpg", label), proposed, 0.1, 0.9)
    assert (found.doubted(suspect), found.doubt(suspect)) == (doubted, told)


def test_the_name_of_a_single_label_may_hold_what_separates_several():
    found = Findings({}, {"train": {"ant": 1, "ant; bee": 1}})
    suspect = LabelSuspect(ImageRef("train", 0, "a.jpg", "ant"), "ant; bee", 0.1, 0.9)
    assert found.doubt(suspect) == "looks like ant; bee"


def test_they_survive_json():
    found = Findings(
        {"train": 2, "eval": 1},
        {"train": {"ant": 1, "bee": 1}, "eval": {"ant": 1, "bee": 0}},
        unreadable=(("train", "train/\udcff.jpg", "empty"),),
        duplicates=(Duplicates((TRAIN, EVAL), (0, 1), similarity=0.1 + 0.2),),
        suspects=(LabelSuspect(BEE, "ant", 0.1, 1 / 3, (TRAIN, EVAL)),),
        inseparable=(Inseparable(("ant", "bee"), 0.3, 3),),
        odd_sizes=(OddSize(BEE, 3, 900, "far longer"),),
        notes=("a note",),
    )
    assert read_findings(json.loads(json.dumps(asdict(found)))) == found
    assert read_findings(json.loads(json.dumps(asdict(Findings({}, {}))))) == Findings({}, {})
