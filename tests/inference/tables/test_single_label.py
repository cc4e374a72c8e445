"""Tables of images with one label each: see ``tests/inference/test_predictions.py``, too."""

from array import array

import pytest

from tlf.inference.tables.damaged import Damaged
from tlf.inference.tables.single_label import parsed, predicted, prediction, truth


def test_a_cell_is_the_name_of_a_class():
    assert truth(1, ("ant", "bee")) == {"label": "bee"}
    assert parsed("bee", {"ant": 0, "bee": 1}) == (1,)
    with pytest.raises(ValueError, match="must name classes that have a column, got 'fly'"):
        parsed("fly", {"ant": 0})
    assert prediction("x", {"ant": 0.2, "bee": 0.8}, 1, None).label == "bee"


def test_contradictions_are_of_an_image():
    rows, cells = array("d", [0.5, 0.5, 0.9, 0.3]), array("q", [0, 0])
    with pytest.raises(Damaged, match=r"whose sum is 1, got the sum 1\.2") as damaged:
        predicted(("a", "b"), cells, cells, rows, ("ant", "bee"))
    assert damaged.value.image == 1
