"""The images that a study judges by."""

import shutil

import numpy as np
import pytest

from small import HEAD_ALONE, TWO_PHASES, write_recipe
from tlf.components import Split
from tlf.data.listing.compact import Groups
from tlf.errors import DataError
from tlf.events import Notice
from tlf.metrics.paired import over_splits
from tlf.runs.run import run
from tlf.studies.accuracy import accuracy_of
from tlf.studies.judged import FOLDS, equal_files, held_out_accuracy, judged_images, judged_split
from tlf.studies.learning_curve.curve import curve
from tlf.studies.learning_rate.lr import lr
from tlf.studies.probe.probe import probe
from tlf.tasks import TASKS


def test_folds_are_dealt_anew_and_the_same_for_the_same_seed():
    labels = np.arange(60) % 3
    judged = judged_images(labels, np.arange(60), ("a", "b", "c"), 0, 10)
    again = judged_images(labels, np.arange(60), ("a", "b", "c"), 0, 10)
    np.testing.assert_array_equal(judged.folds, again.folds)
    assert len(judged.folds) == 10
    assert len({tuple(fold) for fold in judged.folds.tolist()}) == 10
    for fold in judged.folds:
        for part in range(FOLDS):
            assert {*labels[fold == part]} == {0, 1, 2}


def test_a_class_with_one_image_is_left_out():
    labels = np.array([0] * 6 + [1] + [2] * 7)
    judged = judged_images(labels, np.arange(14), ("a", "b", "c"), 0, 10)
    assert judged.left_out == {"b": 1}
    assert judged.classes == ("a", "c")
    assert judged.images.tolist() == [*range(6), *range(7, 14)]
    assert judged.labels.tolist() == [0] * 6 + [1] * 7


def test_equal_files_count_as_one_and_are_in_one_fold():
    labels, groups = np.array([0] * 8 + [1] * 8), np.arange(16)
    groups[:4] = 0
    judged = judged_images(labels, groups, ("a", "b"), 0, 10)
    assert all(len({*fold[:4]}) == 1 for fold in judged.folds)
    groups[:5] = 0
    with pytest.raises(DataError, match=r"5 different train images each.*got 4 of 'a', 8 of 'b'"):
        judged_images(labels, groups, ("a", "b"), 0, 10)


def test_sets_of_labels_are_dealt_in_proportion():
    labels = [(0,), (0, 1), (), (0, 1, 2), (1,)] * 10 + [(0, 3)]
    found = judged_images(
        labels, np.arange(51), ("a", "b", "c", "rare"), 0, 4, TASKS["multi-label"]
    )
    assert (found.classes, found.among, found.left_out) == (("a", "b", "c"), (0, 1, 2), {"rare": 1})
    assert (len(found.images), found.counts) == (51, [31, 30, 10])
    for fold in found.folds:
        shares = [found.labels[fold == part].sum(0) for part in range(FOLDS)]
        assert np.ptp(shares, axis=0).max() <= 2
        assert [share[2] for share in shares] == [2] * FOLDS


def test_equal_files_have_the_number_of_the_first():
    split = Split(("a", "b", "c"), (0, 0, 1), [b"x", b"y", b"x"].__getitem__)
    np.testing.assert_array_equal(equal_files(split), [0, 1, 0])


def test_images_of_one_group_are_in_one_fold():
    groups = Groups(["p1", "p2", "p3", "p2"])
    read = [b"x", b"y", b"x", b"z"].__getitem__
    found = equal_files(Split(("a", "b", "c", "d"), (0, 0, 1, 1), read, groups=groups))
    assert found[0] == found[2] != found[1] == found[3]  # equal bytes, and one group


def test_groups_are_dealt_as_they_have_always_been():
    groups = Groups(f"p{number % 13}" for number in range(40))
    read = [b"%d" % (n // 2 if n < 6 else n) for n in range(40)].__getitem__
    split = Split((*map(str, range(40)),), (0,) * 30 + (1,) * 10, read, groups=groups)
    judged = judged_split(split, ("a", "b"), 0, 1, TASKS["single-label"])
    assert "".join(map(str, judged.folds[0])) == "2244224001331224422400133122442240013312"
    assert judged.notes == ("The images are in 10 groups (data.group): intervals are about other "
                            "groups like these",)  # fmt: skip
    right = np.random.default_rng(0).random((1, 40)) < 0.8
    figure = held_out_accuracy(right.astype(float), judged.folds, judged.groups)
    assert figure == accuracy_of(over_splits(np.zeros((1, 40)), right, judged.folds, judged.groups))


def copied(copies, **split):
    """12 different images, each so many times, of two classes."""
    images = [n for n in range(12) for _ in range(copies)]
    read = [b"%d" % n for n in images].__getitem__
    names = tuple(map(str, range(len(images))))
    split = Split(names, tuple(n % 2 for n in images), read, **split)
    return judged_split(split, ("a", "b"), 0, 2, TASKS["single-label"])


def test_intervals_count_equal_files_as_one():
    one, ten = copied(1), copied(10)
    assert (one.groups, one.notes) == (None, ())
    assert ten.notes == ("the 120 images are 12 different ones, as equal files are one: intervals "
                         "are about other images like these",)  # fmt: skip
    for judged in (one, ten):
        figure = held_out_accuracy(np.ones(judged.folds.shape), judged.folds, judged.groups)
        assert (figure.value, figure.high) == (1, 1)
        assert figure.low == pytest.approx(0.025 ** (1 / 12))  # Clopper and Pearson's 73.5 %


def test_equal_files_and_groups_are_told_as_groups():
    grouped = copied(2, groups=Groups(f"p{number // 4}" for number in range(24)))
    assert len(np.unique(grouped.groups)) == 6
    assert grouped.notes[0].startswith("The images are in 6 groups (data.group)")


def test_studies_count_equal_files_as_one(tmp_path, images):
    for file in sorted((images / "train").glob("*/*.jpg")):
        for copy in range(3):
            folder = tmp_path / "copied" / "train" / file.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / f"{file.stem}-{copy}.jpg")
    shutil.copytree(images / "val", tmp_path / "copied" / "val")
    recipe = write_recipe(tmp_path / "copied.toml", tmp_path / "copied", HEAD_ALONE)
    backbones = ("timm/test_resnet.r160_in1k@none", "timm/test_vit@none")
    *_, probed = probe(recipe, backbones)
    *_, measured = lr(recipe, seeds=2)
    *_, found = curve(recipe)
    behind = [one.behind for one in measured.phases[0].rates if one.behind is not None]
    differences = [probed.backbones[1].behind, found.gain, *behind]
    assert len(behind) > 1
    assert [(one.images, one.groups) for one in differences] == [(60, 20)] * len(differences)
    assert {one.gain.groups for one in found.classes} == {10}
    for study in (probed, measured, found):
        assert [note for note in study.notes if note.startswith("the 60 images are 20 different")]


def test_a_rate_has_an_interval_within_0_and_1():
    folds = np.arange(40).reshape(1, 40) % FOLDS
    right = np.arange(40).reshape(1, 40) % 10 > 0
    found = held_out_accuracy(right.astype(float), folds, None)
    assert found.value == pytest.approx(0.9)
    assert 0.4 < found.low < 0.9 < found.high <= 1


@pytest.mark.parametrize(("grouped", "draws"), [(True, 5), (False, 10)])
def test_a_limit_knows_the_images_that_say_it(grouped, draws):
    """All of a class that is in 5 of 40 groups, 2 images each, are found among the others."""
    groups = np.arange(80) // 2
    found = held_out_accuracy(
        np.ones((2, 80)), np.stack([groups % FOLDS] * 2), groups if grouped else None, groups < 5
    )
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / draws))


@pytest.mark.parametrize(
    "trained", [pytest.param(TWO_PHASES, marks=pytest.mark.slow), HEAD_ALONE], ids=["all", "head"]
)
def test_weights_that_have_seen_the_images_are_told(tmp_path, images, trained):
    """A backbone that the run has left as it was has seen none: a head may have all the same."""
    *_, _ = run(write_recipe(tmp_path / "first.toml", images, trained, output="first"))
    again = write_recipe(tmp_path / "again.toml", images, HEAD_ALONE)
    first = f"from the run {tmp_path / 'first'}, which was trained on these very images: what is"
    for start in ("start_from", "backbone.weights"):
        given = [f"{start}={tmp_path / 'first'}"]
        studies = {
            "lr": lambda given: lr(again, given, seeds=2),
            "probe": lambda given: probe(again, (), given),
            "curve": lambda given: curve(again, given),
        }
        for name, study in studies.items():
            events = [*study(given)]
            told = [e.text for e in events if isinstance(e, Notice) and first in e.text]
            uses_head = name == "lr" and start == "start_from"
            assert len(told) == (trained is TWO_PHASES or uses_head), (name, start)
            assert all(text in events[-1].notes for text in told)
            if name == "lr":
                assert events[-1].phases[0].seen is uses_head
                assert ("caution: the start" in str(events[-1])) is uses_head
    assert not [e for e in lr(again, seeds=2) if isinstance(e, Notice) and first in e.text]


def test_weights_that_have_seen_other_images_may_have_seen_these(tmp_path, images):
    *_, _ = run(write_recipe(tmp_path / "first.toml", images, TWO_PHASES, output="first"))
    few = shutil.copytree(images, tmp_path / "few")
    next((few / "train" / "circles").iterdir()).unlink()
    again = write_recipe(tmp_path / "again.toml", few, HEAD_ALONE)
    events = [*curve(again, [f"start_from={tmp_path / 'first'}"])]
    assert any("which may have been trained on these" in note for note in events[-1].notes)
