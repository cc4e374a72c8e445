"""The column that a recipe names, or the only one found."""

import pytest

from tlf.data.columns import chosen_column
from tlf.errors import DataError


def test_a_column_is_named_or_found():
    assert chosen_column("t", "label", "kind", [], ["image", "kind"]) == "kind"
    assert chosen_column("t", "label", "auto", ["kind"], ["image", "kind"]) == "kind"


@pytest.mark.parametrize(
    ("wanted", "found", "message"),
    [
        ("kid", [], "t: there is no column 'kid'; did you mean 'kind'? Known: image, kind; set "),
        ("auto", [], "t: which column is the label? Found none of 'image', 'kind'; set data.label"),
        ("auto", ["image", "kind"], "t: which column is the label? Found 'image', 'kind'; set "),
    ],
)
def test_the_option_to_set_is_named(wanted, found, message):
    with pytest.raises(DataError) as raised:
        chosen_column("t", "label", wanted, found, ["image", "kind"])
    assert str(raised.value).startswith(message)
