"""The fewer images, the less of the network trains."""

from types import SimpleNamespace

import pytest

from tlf.errors import RecipeError
from tlf.first_recipe.strategies import FEW, MANY, STRATEGIES, head_epochs, strategy_for


@pytest.mark.parametrize(
    ("images", "name"),
    [(2, "head"), (FEW - 1, "head"), (FEW, "head-then-thaw"), (MANY - 1, "head-then-thaw"),
     (MANY, "all")],
)  # fmt: skip
def test_the_number_of_images_decides(images, name):
    assert strategy_for(SimpleNamespace(images=images)).name == name


def test_a_person_decides_otherwise_and_a_wrong_name_is_told():
    assert strategy_for(SimpleNamespace(images=2), "all").name == "all"
    with pytest.raises(RecipeError, match="got 'everything'"):
        strategy_for(SimpleNamespace(images=2), "everything")


def test_each_names_a_next_one_and_a_head_is_updated_often():
    assert {one.next for one in STRATEGIES.values()} <= STRATEGIES.keys()
    assert all(one.next != one.name for one in STRATEGIES.values())
    for images in (20, 245, 5000, 10**6):
        assert 8 <= head_epochs(SimpleNamespace(images=images)) <= 60
