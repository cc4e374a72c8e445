"""Names that any terminal and any file can hold; memory: ``test_compact.py``."""

from tlf.components import Split, Splits
from tlf.data.listing.compact import Names
from tlf.data.listing.printable_names import printable_names, with_printable_names


def test_names_of_all_splits_and_classes_are_printable():
    def split(*names):
        return Split(names, (0,) * len(names), str)

    splits = Splits(split("a\n.jpg"), split("b.jpg"), ("an\tt",), test=split("\x1b[1m.jpg"))
    changed = with_printable_names(splits)
    assert [*changed.train.names, *changed.eval.names] == ["a\\n.jpg", "b.jpg"]
    assert changed.test.names == ("\\x1b[1m.jpg",)
    assert changed.classes == ("an\\tt",)
    assert changed.train.read is str


def test_names_that_are_printable_stay_the_same_object():
    names = Names(["a.jpg", "é.jpg"])
    assert printable_names(names) is names
