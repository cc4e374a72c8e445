"""How backbones are named."""

import pytest
import torch
from safetensors.torch import load_file

import tlf
from tlf.checks.plan import plan_to_check
from tlf.errors import RecipeError
from tlf.studies.backbones import plans_of


@pytest.fixture
def plan(recipe):
    """The plan of a recipe of two phases, whose backbone is timm's test_resnet."""
    return plan_to_check(recipe, ["transforms.augment=crop-flip"])


def made(plan, *names):
    return {name: one.recipe.backbone for name, one in plans_of(plan, names).items()}


def test_without_names_it_is_the_recipes_own(plan):
    ((name, one),) = plans_of(plan, ()).items()
    assert name == "timm/test_resnet.r160_in1k@none"
    assert one.recipe.backbone == plan.recipe.backbone


def test_a_recipe_that_starts_from_a_run_has_that_ones_backbone(recipe):
    (found,) = plans_of(plan_to_check(recipe, ["start_from=runs/mine"], "probe"), ()).values()
    assert found.recipe.backbone.weights.endswith("/runs/mine")
    assert found.recipe.start_from is None


def test_the_key_of_the_file_that_a_run_replaces_is_left_out(recipe, tmp_path, tiny_weights):
    torch.save({"teacher": load_file(tiny_weights), "other": {}}, tmp_path / "two.pth")
    own = [f"backbone.weights={tmp_path / 'two.pth'}", "backbone.weights_key=teacher"]
    run = tmp_path / "first"
    *_, _ = tlf.run(recipe, [*own, f"output={run}"])
    *_, _ = tlf.run(recipe, [*own, f"start_from={run}", f"output={tmp_path / 'second'}"])
    (found,) = plans_of(plan_to_check(recipe, [*own, f"start_from={run}"]), ()).values()
    assert (found.recipe.backbone.weights, found.recipe.backbone.weights_key) == (str(run), "")
    built = found.recipe.backbone.build().module.state_dict()
    trained = load_file(run / "model.safetensors")
    assert all(torch.equal(built[name], trained[name]) for name in built if "conv" in name)


def test_names_say_what_a_table_says(plan):
    found = made(
        plan, "timm/test_resnet", "torchvision/resnet18@starter", "timm/resnet18@my/a@b.pth",
        "timm", 'timm/resnet18@hf-hub:timm/resnet18.a1_in1k',
    )  # fmt: skip
    assert [*found] == [
        "timm/test_resnet", "torchvision/resnet18@starter", "timm/resnet18@a@b.pth", "timm",
        "timm/resnet18@hf-hub:timm/resnet18.a1_in1k",
    ]  # fmt: skip
    values = [(type(one).__name__, one.model, one.weights) for one in found.values()]
    assert values[:2] == [
        ("Timm", "test_resnet", "default"),
        ("Torchvision", "resnet18", "starter"),
    ]
    assert values[2][2].endswith("my/a@b.pth")


def test_tables_components_and_recipes_are_taken(plan, recipe):
    table = {"kind": "timm", "model": "test_resnet", "drop_path": 0.1}
    component = tlf.component("backbone", "timm", model="resnet18", weights="none")
    for given in (table, component, "{kind='timm', model='resnet18'}", str(recipe)):
        (one,) = made(plan, given).values()
        assert type(one).__name__ == "Timm"
    assert made(plan, str(recipe)) == made(plan)


def test_two_tables_of_one_name_are_told_apart(plan):
    found = made(plan, "{kind='timm',channels=1}", "{kind='timm',channels=3}")
    assert [*found] == ["{kind='timm', channels=1}", "{kind='timm', channels=3}"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("keras/resnet", "backbone.*keras"),
        ("{kind='timm'", "the value must be TOML"),
        ("a b", "a backbone must be LIBRARY/MODEL"),
        ("", "a backbone must be LIBRARY/MODEL"),
        ("nowhere.toml", "no such file"),
        ("torchvision/resnet18@", "a backbone must be"),
    ],
)
def test_what_is_no_backbone_is_an_error(plan, name, problem):
    with pytest.raises(RecipeError, match=problem):
        plans_of(plan, [name])


def test_a_backbone_is_named_once(plan):
    with pytest.raises(RecipeError, match="must name different backbones, got timm/resnet18 twice"):
        plans_of(plan, ["timm/resnet18", "{kind='timm', model='resnet18'}"])


def test_only_what_embeds_is_kept(plan):
    ((_, one),) = plans_of(plan, ["timm/resnet18"]).items()
    assert one.recipe.transforms.augment == ()
    assert one.recipe.transforms.size == plan.recipe.transforms.size
    assert [phase.name for phase in one.recipe.phases] == ["head"]
    assert one.recipe.data == plan.recipe.data
