from dataclasses import replace
from pathlib import Path

import pytest

import tlf as package
from tlf.builtin.folder import Folder
from tlf.builtin.freeze_policies import UpTo
from tlf.builtin.schedulers import Linear
from tlf.errors import PluginError, RecipeError
from tlf.heads.mlp import Mlp
from tlf.recipe.component import component
from tlf.recipe.plan import find_splits, plan_of


@pytest.mark.parametrize(
    ("key", "kind", "values", "made"),
    [
        ("head", "mlp", {"hidden": [64]}, Mlp(hidden=(64,))),
        ("head", "mlp", {"hidden": (64,)}, Mlp(hidden=(64,))),
        ("scheduler", "linear", {}, Linear()),
        ("freeze", "up-to", {"stage": "layer2"}, UpTo("layer2")),
        ("data", "folder", {"root": Path("my/images")}, Folder(str(Path("my/images").absolute()))),
    ],
)
def test_a_component_is_made_as_a_recipe_makes_it(key, kind, values, made):
    assert component(key, kind, **values) == made


@pytest.mark.parametrize(
    ("arguments", "values", "says"),
    [
        (("hed", "mlp"), {}, "must be one of a recipe's, got 'hed'; did you mean 'head'?"),
        (("head", "mpl"), {}, "head.kind: no head is called 'mpl'; did you mean 'mlp'?"),
        (("head", "mlp"), {"hiden": 1}, "head.hiden: unknown option of 'mlp'"),
        (("head", "mlp"), {"dropout": {1}}, "must be a number, got {1} (of the type set)"),
    ],
)
def test_what_does_not_fit_is_told(arguments, values, says):
    with pytest.raises(RecipeError) as raised:
        component(*arguments, **values)
    assert says in str(raised.value)


def test_a_plugin_that_is_not_there_is_told():
    with pytest.raises(PluginError, match="plugin 'nowhere' is not installed"):
        component("head", "nowhere:gem")


def test_a_recipe_is_changed_by_what_toml_says_and_by_components(recipe):
    loaded = package.load_recipe(recipe)
    first = loaded.phases[0]
    phases = [
        replace(first, name="a", freeze=["norms", component("freeze", "up-to", stage="layer2")]),
        {"name": "b", "epochs": 1, "lr": 0.1, "scheduler": component("scheduler", "linear")},
    ]
    values = {"data": {"kind": "folder", "root": Path("my/images")}, "head": "mlp"}
    changed = replace(loaded, output=Path("runs/b"), phases=phases, plugins=[], **values)
    made = plan_of(changed).recipe
    assert made.output == str(Path("runs/b").absolute())
    assert made.data.dataset == Folder(str(Path("my/images").absolute()))
    assert made.head == Mlp()
    assert [len(phase.freeze) for phase in made.phases] == [2, 1]
    assert made.phases[1].scheduler == Linear()
    assert plan_of(made).recipe == made


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"plugins": "wandb"}, 'plugins: must be a list of strings, got "wandb" (a string)'),
        ({"seed": {3}}, "seed: must be a whole number, got {3} (of the type set)"),
        ({"phases": iter(())}, "phases: must be a list of [[tables]], got <tuple_iterator"),
        ({"extensions": 3}, "an extension must be a kind, a table with a kind"),
        ({"head": 3}, "a head must be a kind, a table with a kind, or a component of"),
    ],
)
def test_what_a_recipe_cannot_hold_is_told(recipe, values, says):
    with pytest.raises((RecipeError, PluginError)) as raised:
        plan_of(replace(package.load_recipe(recipe), **values))
    assert says in str(raised.value)


def test_a_kind_is_given_once():
    with pytest.raises(RecipeError, match="a kind must be given once, got 'sgd' and 'adamw'"):
        component("optimizer", "sgd", kind="adamw")
    with pytest.raises(RecipeError, match="a key must be one of a recipe's, got 5"):
        component(5, "sgd")


def test_a_plan_and_its_images_print_in_a_line(recipe):
    plan = plan_of(package.load_recipe(recipe))
    shown = repr(replace(plan, splits=find_splits(plan)))
    assert "Splits(Split(20 images), Split(11 images), ('circles', 'squares'))" in shown
    assert len(shown.splitlines()) == 1
    assert len(shown) < 500
    assert all(len(repr(one)) < 500 for one in package.survey_plugins())


def test_a_recipe_prints_in_a_line(recipe):
    loaded = package.load_recipe(recipe)
    for shown in (repr(loaded), repr(replace(loaded, head="mlp", phases=[{"name": "b"}]))):
        assert shown.startswith("Recipe(Folder(")
        assert len(shown.splitlines()) == 1
        assert len(shown) < 300
