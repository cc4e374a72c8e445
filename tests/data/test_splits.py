"""Images are held out by name and seed, and the classes of both splits are compared."""

import pickle

import pytest

from tlf.components import Splits
from tlf.data.splits import (
    HoldOut,
    ReadFile,
    eval_splits,
    failure,
    file_splits,
    hold_out,
    listed,
    split_named,
    too_few_classes,
)
from tlf.errors import DataError

GROUPS = {"ant": [f"ant/{i}" for i in range(10)], "bee": [f"bee/{i}" for i in range(30)]}


def test_every_class_gives_its_share_and_nothing_is_lost_or_doubled():
    train, evaluated = hold_out(GROUPS, 0.2, seed=0)
    assert {name: len(images) for name, images in evaluated.items()} == {"ant": 2, "bee": 6}
    for name, images in GROUPS.items():
        assert sorted(train[name] + evaluated[name]) == sorted(images)


def test_the_draw_is_the_same_everywhere():
    """Held as literals: another answer is another split in the runs of everybody."""
    assert hold_out(GROUPS, 0.2, seed=0)[1]["ant"] == ["ant/1", "ant/4"]


def test_the_draw_depends_on_the_seed_but_not_on_the_order_of_files():
    backwards = {name: images[::-1] for name, images in GROUPS.items()}
    first, again, other = (
        hold_out(groups, 0.2, seed)[1]
        for groups, seed in ((GROUPS, 0), (backwards, 0), (GROUPS, 1))
    )
    assert {name: set(v) for name, v in first.items()} == {
        name: set(v) for name, v in again.items()
    }
    assert first != other


def test_a_class_added_later_moves_nothing_of_the_others():
    more = GROUPS | {"wasp": ["wasp/0", "wasp/1"]}
    assert hold_out(more, 0.2, 0)[1]["bee"] == hold_out(GROUPS, 0.2, 0)[1]["bee"]


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_both_splits_get_at_least_one(fraction):
    for part in hold_out({"ant": ["a", "b"]}, fraction, 0):
        assert len(part["ant"]) == 1


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 20])
def test_a_fraction_lies_between_0_and_1(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        hold_out(GROUPS, fraction, 0)


def test_a_class_of_one_stays_in_the_train_split():
    train, evaluated = hold_out(GROUPS | {"wasp": ["w"]}, 0.2, 0)
    assert (train["wasp"], evaluated["wasp"]) == (["w"], [])
    with pytest.raises(DataError, match="mine: no class has 2 images, one for each split; add"):
        HoldOut("mine", 0.2, 0).take({"wasp": ["w"], "fly": ["f"]})


def test_one_class_is_too_few():
    (problem,) = too_few_classes({"ant": []}, "train")
    assert problem.startswith("train must have at least 2 classes, got 'ant' only; add")
    assert too_few_classes(["ant", "bee"], "train") == []


def test_names_of_splits_are_found_in_upper_and_lower_case():
    assert split_named("train", ["TRAIN", "train"]) == "train"
    assert split_named("train", ["trains", "Train"]) == "Train"
    assert split_named("train", ["TRAIN", "Train"]) is None  # which one?
    assert eval_splits(["train", "Test", "Validation", "vals"]) == ["Validation", "Test"]


def test_file_splits_sorts_classes_and_paths(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1").write_bytes(b"one")
    splits = file_splits(str(tmp_path), {"b": ["b/2", "b/1"], "B": ["B/1"]}, {"b": ["b/3"]})
    assert isinstance(splits, Splits)
    assert splits.classes == ("B", "b")
    assert splits.train.names == ("B/1", "b/1", "b/2")
    assert splits.train.labels == (0, 1, 1)
    assert splits.eval.labels == (1,)
    assert splits.train.read(1) == b"one"
    assert file_splits("root", {"b": ["b/2"]}, {"a": ["a/3"]}).classes == ("a", "b")


def test_a_name_may_differ_from_the_path(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1").write_bytes(b"one")
    names = {"a": ["a\\1"], "b": ["b"]}
    splits = file_splits(str(tmp_path), names, names, files={"a\\1": "a/1"})
    assert splits.train.names == ("a\\1", "b")
    assert splits.train.read(0) == b"one"


def test_holding_out_is_noted():
    notes = file_splits("root", GROUPS, HoldOut("my/images", 0.2, 5)).notes
    assert notes == (
        "my/images has no eval split of its own: 20% of each class, 8 images in all, "
        "were held out as one (drawn by data.seed = 5)",
    )


def test_read_file_can_be_pickled(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"bytes")
    assert pickle.loads(pickle.dumps(ReadFile(str(tmp_path), ("a.jpg",))))(0) == b"bytes"


def test_failure_lists_problems_and_listed_stops():
    assert str(failure("x", ["one"])) == "x: one"
    assert str(failure("x", ["one", "two"])) == "x: 2 problems\n  one\n  two"
    assert listed(map(str, range(30))).endswith("'19' and 10 more")
