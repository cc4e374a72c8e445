"""Columns such as is_valid."""

import pytest

from tlf.data.splitting.flags import split_flags


@pytest.mark.parametrize(
    ("column", "yes", "no"),
    [
        ("is_valid", "valid", "train"),
        ("IS_TEST", "test", "train"),
        ("is_validation", "validation", "train"),
        ("is_train", "train", "val"),
        ("is_training", "train", "val"),
    ],
)
def test_a_flag_says_one_of_two_splits(column, yes, no):
    flags = split_flags(column)
    assert {flags[cell] for cell in ("1", "1.0", "true")} == {yes}
    assert {flags[cell] for cell in ("0", "0.0", "false")} == {no}


@pytest.mark.parametrize("column", ["valid", "is_cat", "isvalid", "this_valid", "is_", ""])
def test_other_columns_are_no_flags(column):
    assert split_flags(column) == {}
