import pytest

from tlf.components import Split, Splits
from tlf.data.label_sets.as_text import HoldOutOfSets, names_of, taken_apart, text_of


def test_a_text_stands_for_its_classes():
    for names in ((), ("cat",), ("cat", "dog"), ("a b", "c, d", "é")):
        assert names_of(text_of(names)) == names
    assert text_of(["b", "a", "b"]) == "a; b"


def test_labels_are_taken_apart():
    train = Split(("1", "2", "3"), (0, 1, 2), str)
    found = taken_apart(Splits(train, Split(("4",), (2,), str), (";", "cat; dog", "ape; dog")))
    assert found.classes == ("ape", "cat", "dog")
    assert (found.train.labels, found.eval.labels) == (((), (1, 2), (0, 2)), ((0, 2),))
    assert found.train.names == train.names
    ordered = taken_apart(Splits(train, train, (";", "cat; dog", "ape; dog")), ["dog", "owl"])
    assert ordered.classes == ("dog", "ape", "cat")
    assert ordered.train.labels == ((), (0, 2), (0, 1))


def test_each_class_is_held_out_though_no_group_has_two_images():
    kinds = ["ant", "bee", "cat"]
    groups = {
        f"{kind}; x{number}": [f"{kind}{number}"] for kind in kinds for number in range(10)
    } | {";": ["n1", "n2", "n3", "n4", "n5"]}
    train, evaluated, note = HoldOutOfSets("list", 0.2, 0).take(groups)
    every = {*kinds, *(f"x{number}" for number in range(10))}
    for part in (train, evaluated):
        assert {name for key in part for name in names_of(key)} == every
    assert len(evaluated[";"]) == 1
    assert not {*train} & {*evaluated} - {";"}
    assert "11 images in all, were held out" in note


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 20])
def test_a_fraction_lies_between_0_and_1(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        HoldOutOfSets("list", fraction, 0).divided({"ant": ["a", "b"], "bee": ["c", "d"]})
