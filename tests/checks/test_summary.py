"""A check in lines of text."""

from dataclasses import replace

from checked_images import EVERYTHING, SUSPECT, checked, image
from tlf.checks.findings import Duplicates
from tlf.checks.summary import lines


def test_all_kinds_of_findings():
    assert [*lines(checked(**EVERYTHING))] == [
        "checked   my/images: 9 train, 3 eval images of 3 classes",
        "features  resnet18",
        "",
        "2 of the 3 eval images are in the train split, too (1 byte for byte, 1 as "
        "near-duplicate): the results look better than they are",
        "unreadable images: 1",
        "  gone.jpg (train): the file is empty",
        "groups of images that train and eval share: 2",
        "  t0.jpg (train) = e0.jpg (eval)",
        "  e1.jpg (eval) ≈ t1.jpg (train)",
        "groups of duplicates with different labels: 1",
        "  t3.jpg (train, ant) = t4.jpg (train, bee)",
        "groups of duplicates within a split and a class: 1",
        "  t2.jpg (train) ≈ t5.jpg (train) ≈ t8.jpg (train)",
        "labels that look wrong: 1",
        "  t6.jpg (train, ant): looks like fly (0.91 against 0.02)",
        "pairs of classes that can hardly be told apart: 1",
        "  ant and fly: 25% of 8 images",
        "odd sizes: 1",
        "  e2.jpg (eval): 12 × 400, it is 33 times as high as wide",
    ]


def test_nothing():
    *_, last = lines(checked())
    assert last == "Nothing was found: no duplicates, no suspicious labels, no odd sizes."


def test_of_a_large_group_one_image_of_each_split_and_label_is_shown():
    every = (*(image("train", i) for i in range(4)), image("eval", 0), image("eval", 1, "bee"))
    found = [*lines(checked(duplicates=(Duplicates(every, (0,) * 6, similarity=1.0),)))]
    assert found[-1] == (
        "  t0.jpg (train, ant) = e0.jpg (eval, ant) = e1.jpg (eval, bee) and 3 more"
    )


def test_of_near_duplicates_those_of_equal_bytes_come_together():
    every = (*(image("train", i) for i in range(4)), image("eval", 0))
    shown = {
        (0, 1, 1, 2, 0): "  t0.jpg (train) = e0.jpg (eval) ≈ t1.jpg (train) and 2 more",
        (0, 1, 2, 3, 3): "  t3.jpg (train) = e0.jpg (eval) ≈ t0.jpg (train) and 2 more",
        (0, 0, 1, 1, 2): "  t0.jpg (train) = t1.jpg (train) ≈ e0.jpg (eval) and 2 more",
        (0, 1, 2, 3, 4): "  t0.jpg (train) ≈ e0.jpg (eval) ≈ t1.jpg (train) and 2 more",
    }
    for equal, line in shown.items():
        found = [*lines(checked(duplicates=(Duplicates(every, equal, 0.9),)))]
        assert found[-1] == line


def test_the_first_of_many():
    group = Duplicates(tuple(image("train", i) for i in range(5)), (0,) * 5, similarity=1.0)
    suspects = tuple(replace(SUSPECT, image=image("train", i)) for i in range(9))
    found = [*lines(checked(duplicates=(group,), suspects=suspects))]
    assert "  t0.jpg (train) = t1.jpg (train) = t2.jpg (train) and 2 more" in found
    assert found[-2:] == [
        "  t4.jpg (train, ant): looks like fly (0.91 against 0.02)",
        "  … and 4 more",
    ]


def test_classes_of_one_split():
    counts = {"train": {"ant": 9, "bee": 0}, "eval": {"ant": 0, "bee": 0, "fly": 3}}
    found = [*lines(checked(counts=counts))]
    assert found[3:] == [
        "classes without images in one split: 3",
        "  ant: no eval images, 9 train",
        "  bee: no images",
        "  fly: no train images, 3 eval",
    ]


def test_of_several_labels_the_doubted_one_is_named():
    suspect = replace(SUSPECT, image=image("train", 6, "ant; bee"), proposed="ant; bee; fly")
    assert [*lines(checked(suspects=(suspect,)))][-1] == (
        "  t6.jpg (train, ant; bee): fly seems to be missing (0.91 against 0.02)"
    )
