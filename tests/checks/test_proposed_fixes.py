"""The rows of the fixes.csv that a check writes."""

from dataclasses import replace

from checked_images import BROKEN, CLASSES, EVERYTHING, LEAK, SUSPECT, checked, image
from tlf.checks.findings import Duplicates
from tlf.checks.proposed_fixes import proposed_fixes
from tlf.data.fixes import with_fixes
from tlf.data.fixes_file import Fix, write_fixes
from tlf.tasks import TASKS
from tlf.tasks.single_label import SingleLabel


def test_each_image_has_a_row_and_only_the_safe_ones_change_something():
    assert proposed_fixes(checked(**EVERYTHING)) == [
        Fix("train", "gone.jpg", "ant", "", "yes", "cannot be read: the file is empty"),
        Fix("train", "t0.jpg", "ant", "", "yes", "the same bytes as eval image e0.jpg"),
        Fix("train", "t1.jpg", "bee", reason="nearly the same as eval image e1.jpg"),
        Fix("train", "t5.jpg", "fly", reason="nearly the same as train image t2.jpg"),
        Fix("train", "t8.jpg", "fly", reason="nearly the same as train image t2.jpg"),
        Fix("train", "t3.jpg", "ant",
            reason="the same bytes as train image t4.jpg, which is labelled bee"),
        Fix("train", "t4.jpg", "bee",
            reason="the same bytes as train image t3.jpg, which is labelled ant"),
        Fix("train", "t6.jpg", "ant",
            reason="looks like fly (probability 0.91, of its own label 0.02)"),
        Fix("eval", "e2.jpg", "fly", reason="12 × 400 pixels: it is 33 times as high as wide"),
    ]  # fmt: skip


def test_an_image_with_several_faults_has_one_row():
    (row,) = proposed_fixes(
        checked(duplicates=(LEAK,), suspects=(replace(SUSPECT, image=LEAK.images[0]),))
    )
    assert (row.path, row.leave_out) == ("t0.jpg", "yes")
    assert row.reason.startswith("the same bytes as eval image e0.jpg; looks like fly (")


def test_the_reason_names_the_one_of_several_labels_that_is_doubted():
    suspect = replace(SUSPECT, image=image("train", 6, "ant; bee"), proposed="ant")
    (row,) = proposed_fixes(checked(suspects=(suspect,)))
    assert row.reason == "bee seems to be wrong (probability 0.91, of its own label 0.02)"


def test_a_class_keeps_train_images():
    group = Duplicates((*(image("train", i) for i in (0, 3, 6)), image("eval", 0)), (0,) * 4, 1.0)
    rows = proposed_fixes(checked(duplicates=(group,)))
    assert [(row.path, row.leave_out) for row in rows] == [
        ("t0.jpg", ""), ("t3.jpg", ""), ("t6.jpg", "")
    ]  # fmt: skip


def test_every_class_of_an_image_keeps_train_images():
    """Copies of 0, 3 and 6 are in eval; they are the only train images with the class fly."""
    labels = ["ant", "ant; bee", "", "ant; fly", "bee", "", "ant; fly", "ant; bee", "bee"]
    found = checked(
        counts={"train": {"ant": 5, "bee": 4, "fly": 2}, "eval": dict.fromkeys(CLASSES, 1)},
        duplicates=tuple(
            Duplicates((image("train", n, labels[n]), image("eval", n, labels[n])), (0, 0), 1.0)
            for n in (0, 2, 3, 6, 7)
        ),
    )
    sets = tuple(TASKS["multi-label"].label(name, CLASSES) for name in labels)
    splits = replace(found.splits, train=replace(found.splits.train, labels=sets))
    rows = proposed_fixes(replace(found, splits=splits))
    assert [row.path for row in rows if row.leave_out] == ["t0.jpg", "t2.jpg", "t7.jpg"]


def test_a_shared_image_with_two_labels_is_left_to_a_person():
    group = Duplicates((image("train", 0), image("eval", 1, "bee")), (0, 0), 1.0)
    assert [row.leave_out for row in proposed_fixes(checked(duplicates=(group,)))] == ["", ""]


def test_a_near_copy_does_not_keep_what_has_the_bytes_of_an_eval_image():
    """Whatever its label is; and a copy of other bytes is never left out."""
    copy, other, evaluated = image("train", 0), image("train", 3), image("eval", 0)
    group = Duplicates((other, copy, evaluated), (3, 0, 0), 0.9)
    assert proposed_fixes(checked(duplicates=(group,))) == [
        Fix("train", "t3.jpg", "ant", reason="nearly the same as eval image e0.jpg"),
        Fix("train", "t0.jpg", "ant", "", "yes", "the same bytes as eval image e0.jpg"),
    ]
    mixed = replace(group, images=(replace(other, label="bee"), copy, evaluated))
    rows = {row.path: row for row in proposed_fixes(checked(duplicates=(mixed,)))}
    assert [path for path, row in rows.items() if row.leave_out] == ["t0.jpg"]
    assert rows["e0.jpg"].reason == "the same bytes as train image t0.jpg"


def test_of_eval_images_of_equal_bytes_the_one_with_its_label_is_named():
    images = (image("train", 0), image("eval", 0, "bee"), image("eval", 1))
    first, *_ = rows = proposed_fixes(checked(duplicates=(Duplicates(images, (0, 0, 0), 1.0),)))
    assert [row.path for row in rows] == ["e0.jpg", "e1.jpg", "t0.jpg"]
    assert first.reason == "the same bytes as train image t0.jpg, which is labelled ant"
    assert (rows[-1].leave_out, rows[-1].reason) == ("yes", "the same bytes as eval image e1.jpg")


def test_a_leak_is_named_rather_than_a_copy_in_the_same_split():
    images = (image("train", 0), image("train", 3), image("eval", 0))
    rows = proposed_fixes(checked(duplicates=(Duplicates(images, (0, 0, 2), 0.9),)))
    assert [row.reason for row in rows] == ["nearly the same as eval image e0.jpg"] * 2
    within = (image("train", 0), image("train", 3, "bee"), image("train", 6))
    rows = proposed_fixes(checked(duplicates=(Duplicates(within, (0, 1, 0), 0.9),)))
    assert [row.reason for row in rows] == [
        "the same bytes as train image t6.jpg",
        "nearly the same as train image t0.jpg, which is labelled ant",
        "the same bytes as train image t0.jpg",
    ]


def test_nothing_found_gives_no_rows():
    assert proposed_fixes(checked()) == []


def test_the_file_fits_the_images(tmp_path):
    found = checked(**{**EVERYTHING, "unreadable": ()})
    write_fixes(tmp_path / "fixes.csv", proposed_fixes(found))
    labels = (0, 1, 2, 0, 1, 2, 0, 1, 2)  # as the findings have them
    splits = replace(found.splits, train=replace(found.splits.train, labels=labels))
    fixed = with_fixes(splits, str(tmp_path / "fixes.csv"), SingleLabel())
    assert len(fixed.train) == 8
    assert BROKEN.name not in fixed.train.names
