import pytest

from tlf.data.splitting.groups import (
    check_apart,
    check_keys,
    found_in_column,
    found_in_names,
    is_pattern,
    no_names,
)
from tlf.errors import DataError


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ((5, None, None), "fold must say which of the 5 folds .*; write fold = 1, or tlf compare"),
        ((None, 2, None), r"folds must be given with fold, got fold = 2 alone; write folds = 5"),
        ((5, 6, None), "fold must be from 1 to folds, got fold = 6 and folds = 5"),
        ((None, None, "(a"), r"group must be a column or a regular expression, got '\(a'"),
        ((None, None, "(a)(b)"), r"one group in parentheses.* with 2 of them; write \(\?:…\)"),
        ((None, None, "(?:a)"), r"one group in parentheses.* with 0 of them"),
        ((None, None, "(?P<a>.)(?P<b>.)"), "with 2 of them"),
    ],
)
def test_keys_that_do_not_fit_together(keys, message):
    with pytest.raises(ValueError, match=message):
        check_keys(*keys)


def test_keys_that_fit():
    check_keys(5, 5, "patient")
    check_keys(None, None, "(p[0-9]+)_")
    assert not is_pattern("patient")


def test_a_named_group_is_the_group():
    names = ["x-7/p1.jpg", "y-8/p1.jpg"]
    assert found_in_names(names, r"(\w)-(?P<camera>\d)") == ("7", "8")
    assert found_in_names(names, r"(p\d)") == ("p1", "p1")


def test_a_pattern_has_to_find_a_group_in_each_name():
    with pytest.raises(DataError, match=r"finds nothing in 2 of 3: 'a.jpg', 'b.jpg'; write a patt"):
        found_in_names(["a.jpg", "7.jpg", "b.jpg"], "([0-9]+)")
    with pytest.raises(DataError, match="finds nothing in 1 of 1"):
        found_in_names(["a"], "(x)?a")
    assert found_in_names(["d/a.jpg", "d/7_b.jpg"], "/([0-9]+|[^/]+$)") == ("a.jpg", "7")


def test_a_column_has_to_have_a_value_in_each_row():
    assert found_in_column(["a", "b"], [" p1 ", "p2"], "patient") == ("p1", "p2")
    with pytest.raises(DataError, match="got 'patient', which is empty for 1 of 2: 'b'; fill"):
        found_in_column(["a", "b"], ["p1", " "], "patient")


def test_a_group_in_two_splits_is_named_with_its_images():
    check_apart({"train": ["a", "b"], "eval": ["c"]})
    with pytest.raises(DataError) as caught:
        check_apart({"train": ["p1", "p1", "p2"], "eval": ["p1", "p3"], "test": ["p4"]})
    assert str(caught.value) == (
        "data.group: a group must be in one split, got 1 of 4 groups in two: 'p1'; 'p1' has "
        "2 images in train and 1 in eval; move the images of each group into one split, or write "
        "data.folds = 5 and data.fold = 1 to deal train and eval anew"
    )
    with pytest.raises(
        DataError, match=r"has 1 image in train and 1 in test; move the .* into one split$"
    ):
        check_apart({"train": ["p1"], "test": ["p1"]})


def test_a_dataset_without_names_gets_the_other_form():
    assert "got 'test'; write data.test = 0.2" in no_names("starter", "test", None)
    assert "data.group must be a pattern for a dataset of kind 'x:y'" in no_names("x:y", None, "p")
