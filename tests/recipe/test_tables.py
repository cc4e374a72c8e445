"""The way from a dataclass to a TOML table and its components."""

import tomllib
from dataclasses import dataclass

import pytest

from recipe_components import CATALOGUE, FULL, MINIMAL, Crop, Linear, Mixup, Mlp, read
from tlf.errors import PluginError
from tlf.recipe.parts.transforms import Transforms
from tlf.recipe.schema import Data, Phase, Recipe
from tlf.recipe.tables import (
    dataclass_in,
    folded,
    inline_kind,
    kind_of,
    kinds,
    options,
    table,
    titled,
)


def test_fields_that_hold_components_are_marked():
    hints = {name: hint for name, (_, hint) in options(Phase).items()}
    assert kind_of(hints["freeze"]).hook == "tlf_freeze_policies"
    assert kind_of(hints["freeze"]).many
    assert kind_of(hints["epochs"]) is None


def test_the_dataclass_in_a_type():
    hints = {name: hint for name, (_, hint) in options(Recipe).items()}
    assert dataclass_in(hints["phases"]) is Phase
    assert dataclass_in(hints["transforms"]) is Transforms
    assert dataclass_in(hints["seed"]) is None


def test_every_component_of_a_recipe_is_named_before_it_is_validated():
    found = list(kinds(Recipe, tomllib.loads(FULL)))
    assert {"folder", "crop-flip", "mixup", "gem:mlp", "norms", "up-to", "cosine"} <= {*found}
    assert found.count("sgd") == 2


def test_options_beside_other_keys_are_folded():
    given = {"kind": "folder", "root": "x", "bad_images": "skip"}
    inner = {"kind": "folder", "root": "x"}
    assert folded(Data, given) == {"dataset": inner, "bad_images": "skip"}
    assert folded(Data, "folder") == {"dataset": "folder"}
    assert inline_kind(Data).noun == "dataset"
    assert inline_kind(Phase) is None


def test_a_recipe_becomes_the_table_that_it_was_read_from():
    content = table(read(FULL), CATALOGUE)
    defaults = dict.fromkeys(("missing_in_eval", "unknown_in_eval"), "error")
    defaults |= {"verify": "auto"}
    assert content["data"] == tomllib.loads(FULL)["data"] | defaults
    assert content["transforms"]["augment"] == [
        {"kind": "crop-flip", "scale": 0.5},
        {"kind": "mixup", "alpha": 1.0},
    ]
    assert read(FULL).transforms.augment == (Crop(), Mixup(1.0))


def test_values_that_are_none_are_left_out():
    assert "clip_grad_norm" not in table(read(MINIMAL), CATALOGUE)


def test_a_component_without_options_is_its_name():
    content = table(read(MINIMAL), CATALOGUE)
    assert content["phases"][0]["scheduler"] == "constant"
    assert titled("constant") == {"kind": "constant"}
    assert titled({"kind": "linear"}) == {"kind": "linear"}
    assert {type(read(MINIMAL).head), type(read(FULL).head)} == {Linear, Mlp}


def test_a_component_of_no_loaded_plugin_is_an_error():
    @dataclass(frozen=True)
    class Strange: ...

    recipe = read(MINIMAL)
    object.__setattr__(recipe, "head", Strange())
    with pytest.raises(PluginError, match=r"a head must be a kind, .* plugins, got Str"):
        table(recipe, CATALOGUE)
