"""Which column says the splits."""

import pytest

from tlf.first_recipe.split_columns import split_columns

COLOURS = ("red", "blue", "red", "blue")
FLAG = ("True", "False", "False", "False")
FOLDS = ("0", "1", "2", "1")
THREE = ("train", "val", "test", "train")


@pytest.mark.parametrize(
    ("cells", "used", "test"),
    [
        ({"note": COLOURS}, None, None),
        ({"set": ("Train", "VAL", "train", "train")}, "set", None),
        ({"phase": ("train", "val", "train", "train")}, "phase", None),
        ({"is_valid": FLAG}, "is_valid", None),
        ({"is_test": FLAG}, "is_test", None),
        ({"fold": FOLDS, "kind": COLOURS}, None, None),
        ({"fold": THREE}, "fold", "test"),
        ({"is_valid": FLAG, "part": THREE}, "part", "test"),
        ({"is_test": FLAG, "is_valid": FLAG}, "is_valid", None),
        ({"is_valid": ("0", "0", "0", "0")}, None, None),
        ({"cat": FLAG}, None, None),
    ],
)
def test_the_column_that_names_the_most_splits_is_used(cells, used, test):
    found = split_columns(cells)
    assert (found.used, found.test) == (used, test)
    assert len(found.warnings) == len(found.alike) - (used is not None)
    assert {*found.alike} == {*cells} - {"note", "cat", "kind"}


def test_it_says_what_is_used_and_what_is_not():
    found = split_columns({"is_valid": FLAG, "is_test": FLAG, "fold": FOLDS, "note": COLOURS})
    assert found.told == (
        "The column 'is_valid' says the splits: true or 1 is valid, false or 0 is train.",
    )
    assert found.warnings == (
        "The column 'is_test' looks like splits, and is not used. A recipe takes one column of "
        "splits, and 'is_valid' is it.",
        "The column 'fold' looks like splits, and is not used. It does not name train and val: it "
        "holds '0', '1', '2'.",
    )
