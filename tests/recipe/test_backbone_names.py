"""How the command line names a backbone."""

import pytest

from tlf.errors import RecipeError
from tlf.recipe.backbone_names import backbone_table


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("timm", {"kind": "timm"}),
        ("timm/resnet18", {"kind": "timm", "model": "resnet18"}),
        ("timm/a@b/c.pth", {"kind": "timm", "model": "a", "weights": "b/c.pth"}),
        ("gem:small", {"kind": "gem:small"}),
        (" {kind = 'timm', channels = 1} ", {"kind": "timm", "channels": 1}),
        ({"kind": "timm"}, {"kind": "timm"}),
    ],
)
def test_a_name_is_read_as_a_table(name, table):
    assert backbone_table(name, "--backbone") == table


def test_a_recipe_stands_for_its_backbone(tmp_path):
    recipe = tmp_path / "a.toml"
    recipe.write_text('[backbone]\nkind = "timm"\nmodel = "resnet50"\n')
    assert backbone_table(str(recipe), "--backbone") == {"kind": "timm", "model": "resnet50"}
    recipe.write_text("seed = 1\n")
    with pytest.raises(RecipeError, match=r"it has no \[backbone\]"):
        backbone_table(str(recipe), "--backbone")


@pytest.mark.parametrize("name", ["", "a b", "timm/a@", "{kind"])
def test_an_error_names_the_option(name):
    with pytest.raises(RecipeError, match="--backbone: "):
        backbone_table(name, "--backbone")
