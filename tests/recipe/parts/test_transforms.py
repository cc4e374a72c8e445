"""The table of a recipe about images: what its values may be."""

import pytest

from tlf.errors import RecipeError
from tlf.recipe.plan import load_recipe

RECIPE = "recipes/resnet18_finetune.toml"


def test_by_default_images_are_as_the_weights_have_them():
    transforms = load_recipe(RECIPE).transforms
    assert (transforms.mean, transforms.std, transforms.depth) == (None, None, 8)
    assert (transforms.decoder, transforms.reduced) == ("pillow", False)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("depth=12", "transforms.depth: .*8.*16.* got 12"),
        ("decoder=opencv", "transforms.decoder: .*; Known: pillow, torchcodec, torchvision"),
        ("reduced=1", "transforms.reduced: .* got 1"),
        ("mean=[]", "transforms.mean: "),
        ("mean=[inf]", "transforms.mean"),
        ("std=[0.2,0.0,0.2]", "transforms.std.*got 0"),
    ],
)
def test_other_values_are_refused(override, told):
    with pytest.raises(RecipeError, match=told):
        load_recipe(RECIPE, [f"transforms.{override}"])
