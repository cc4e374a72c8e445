"""Classes of which one split has no images, and what looks odd about classes."""

import pickle
from dataclasses import replace

import pytest

from tlf.components import Split, Splits
from tlf.data.classes import class_notes, fit_classes
from tlf.errors import DataError
from tlf.tasks.multi_label import MultiLabel
from tlf.tasks.single_label import SingleLabel

TASK = SingleLabel()


def read(index):
    """The bytes of an image."""
    return b"%d" % index


def splits(train, evaluated, classes=("ant", "bee", "fly", "wasp")):
    made = [
        Split(tuple(f"{name}/{i}" for i in range(len(labels))), tuple(labels), read)
        for name, labels in (("train", train), ("eval", evaluated))
    ]
    return Splits(*made, classes, ("a note of the dataset",))


def problem(*labels, missing="error", unknown="error", classes=("ant", "bee", "fly", "wasp")):
    with pytest.raises(DataError) as caught:
        fit_classes(splits(*labels, classes), TASK, missing, unknown)
    return str(caught.value)


def test_classes_that_fit_stay_as_they_are():
    fitting = splits([0, 1, 2, 3], [0, 1, 2, 3])
    assert fit_classes(fitting, TASK, "error", "error") == fitting
    of_neither = splits([0, 1, 2], [2, 1, 0])  # "wasp" does no harm
    assert fit_classes(of_neither, TASK, "error", "error") == of_neither


def test_each_class_that_a_split_lacks_is_named_with_the_key_to_write():
    assert problem([0, 0, 1, 2], [2, 3, 3]).splitlines() == [
        "eval lacks 'ant' (2 train images), 'bee' (1); add eval images, or write "
        'data.missing_in_eval = "allow" to train such classes and not evaluate them',
        "train lacks 'wasp' (2 eval images); add train images, or write "
        'data.unknown_in_eval = "skip" to leave these eval images out',
    ]
    assert problem([0, 0, 1, 2], [2, 3, 3], missing="allow").startswith("train lacks 'wasp' (2")
    assert problem([0, 0, 1, 2], [2, 3, 3], unknown="skip").startswith("eval lacks 'ant' (2")


def test_names_that_join_other_classes_look_like_several_labels():
    classes = ("ant", "ant; bee", "bee", "bee,fly")
    notes = class_notes(splits([0, 1, 2, 3], [0, 1, 2, 3], classes), TASK, None)
    said = (
        "the class 'ant; bee' joins other classes; where an image may have several, write "
        'task = "multi-label" and, for a CSV file or shards, data.label_separator = ";"'
    )
    assert notes == [said]
    assert problem([0, 1, 2], [0, 2, 2, 3], classes=classes).endswith(f"\n{said}")


def test_missing_classes_are_trained_and_noted():
    fitting = fit_classes(splits([0, 1, 2, 3], [1, 1]), TASK, "allow", "error")
    assert fitting.classes == ("ant", "bee", "fly", "wasp")
    assert fitting.eval.labels == (1, 1)
    assert fitting.notes == (
        "a note of the dataset",
        "eval has no images of 'ant' (1 train image), 'fly' (1), 'wasp' (1): no figure is about "
        "these",
    )


def test_images_of_unknown_classes_are_left_out_and_counted():
    """The classes behind an unknown one are numbered anew, in both splits."""
    given = splits([3, 0, 2, 0], [1, 3, 1, 2, 0])
    fitting = fit_classes(given, TASK, "error", "skip")
    assert fitting.classes == ("ant", "fly", "wasp")
    assert fitting.train.labels == (2, 0, 1, 0)
    assert fitting.eval.names == ("eval/1", "eval/3", "eval/4")
    assert fitting.eval.labels == (2, 1, 0)
    evaluated = pickle.loads(pickle.dumps(fitting.eval))
    assert [evaluated.read(i) for i in range(3)] == [b"1", b"3", b"4"]
    assert fitting.notes[1:] == (
        "eval: left out 2 of 5 images, of classes that train lacks: 'bee' (2 eval images)",
    )


def test_something_must_be_left():
    none = problem([0, 1], [2, 3], missing="allow", unknown="skip")
    assert none == "eval must have images of the classes of train, 'ant', 'bee', got none; add some"
    message = problem([0], [0, 1], unknown="skip", classes=("ant", "bee"))
    assert message.startswith("train must have at least 2 classes, got 'ant' only; add")


# Notes


def test_imbalance_is_noted_with_what_to_write():
    (note,) = class_notes(splits([0] * 10 + [2], [0, 2]), TASK, "loss.x = 3")
    assert note == (
        "the classes are imbalanced: 'fly' has 1 train image, 'ant' has 10; to count all classes "
        "the same, write loss.x = 3"
    )
    assert class_notes(splits([0] * 10 + [2], [0, 2]), TASK, None) == []
    assert class_notes(splits([0] * 9 + [2], [0, 2]), TASK, "loss.x = 3") == []


@pytest.mark.parametrize("name", ["-1", "nan", "NaN", "null"])
def test_a_class_that_means_no_label_is_noted(name):
    (note,) = class_notes(splits([0, 1, 1], [0, 1], ("0", name)), TASK, None)
    assert note == (
        f"a class is called {name!r} (2 train images); if this means that an image has no label, "
        "leave such images out"
    )


def test_classes_that_differ_by_case_only_are_noted():
    (note,) = class_notes(splits([0, 1], [0, 1], ("Ant", "ant")), TASK, None)
    assert note == "classes that differ by upper and lower case only: 'Ant', 'ant'"


def test_the_classes_of_a_test_split_fit_those_of_train():
    made = splits([0, 1, 3], [0, 1, 3])
    made = replace(made, test=Split(("t0", "t1", "t2"), (1, 2, 3), read))
    with pytest.raises(
        DataError, match=r"train lacks 'fly' \(1 test image\); .*these test images out"
    ):
        fit_classes(made, TASK, "error", "error")
    fitting = fit_classes(made, TASK, "error", "skip")
    assert fitting.classes == ("ant", "bee", "wasp")
    assert (fitting.test.names, fitting.test.labels) == (("t0", "t2"), (1, 2))
    assert fitting.test.read(1) == b"2"
    assert fitting.notes[1:] == (
        "test: left out 1 of 3 images, of classes that train lacks: 'fly' (1 test image)",
        "test has no images of 'ant' (1 train image): no figure of it is about these",
    )
    alone = replace(made, test=Split(("t0",), (2,), read))
    with pytest.raises(DataError, match="test must have images of the classes of train"):
        fit_classes(alone, TASK, "error", "skip")


def test_an_image_of_several_classes_stays_without_those_that_train_lacks():
    task = MultiLabel()
    several = splits([(0,), (1, 2), ()], [(0, 1, 2), (1, 3), (3,)])
    with pytest.raises(DataError, match=r"train lacks 'wasp' \(2 eval images\)"):
        fit_classes(several, task, "error", "error")
    found = fit_classes(several, task, "error", "skip")
    assert found.classes == ("ant", "bee", "fly")
    assert found.eval.labels == ((0, 1, 2), (1,), ())
    assert found.eval.names == several.eval.names
    assert found.notes[1:] == (
        "eval: images stay without their labels of classes that train lacks: 'wasp' (2 eval "
        "images)",
    )


def test_a_class_that_few_images_have_is_noted_with_the_option_of_the_task():
    several = splits([(0, 1)] + [(0,)] * 11, [(0, 1)], ("ant", "bee"))
    (note,) = class_notes(several, MultiLabel(), 'loss.pos_weight = "balanced"')
    assert "'bee' has 1 train image, 'ant' has 12; " in note
    assert note.endswith('write loss.pos_weight = "balanced"')
