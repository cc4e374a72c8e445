"""Every option of a recipe, from the dataclasses and their docstrings."""

import pytest

import tlf as package
from tlf.builtin.schedulers import tlf_schedulers
from tlf.errors import TlfError
from tlf.recipe.reference.options import named, recipe_options


@pytest.fixture(scope="module")
def whole():
    return recipe_options()


@pytest.fixture(scope="module")
def every(whole):
    return {one.path: one for one in whole if one.kinds is None}


def test_every_key_and_option_has_a_type_and_a_help(every):
    assert {"recipe", "data", "phases", "cache", "head.mlp", "optimizer.timm"} <= every.keys()
    missing = [
        f"{path}.{option.name}"
        for path, one in every.items()
        for option in one.options
        if not option.help or not option.type
    ]
    assert missing == []


def test_defaults_are_those_of_the_dataclasses(every):
    for kind, component in tlf_schedulers().items():
        shown = {
            option.name: option.default for option in every[f"phases.scheduler.{kind}"].options
        }
        for name, default in shown.items():
            if default not in (None, "unset"):
                assert str(getattr(component, name)).lower() == default.strip('"')


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("gradual", ["phases.freeze.gradual"]),
        ("freeze.gradual", ["phases.freeze.gradual"]),
        ("phases.freeze.gradual", ["phases.freeze.gradual"]),
        ("linear", ["head.linear", "phases.scheduler.linear"]),
        ("data", ["data", "data"]),  # its keys, and its kinds
        ("optimizer", ["optimizer"]),
        ("augment", ["transforms.augment", "phases.augment"]),
        ("mixup", ["transforms.augment.mixup"]),
        ("early_stopping", ["phases.early_stopping"]),
        ("dropout", ["head.linear", "head.mlp", "head.attention-pool"]),
        ("batch_size", ["recipe"]),
    ],
)
def test_what_a_name_stands_for(whole, name, paths):
    assert [one.path for one in named(whole, name)] == paths


def test_an_option_alone_is_shown_alone():
    (one,) = package.recipe_options("phases.lr")
    assert [option.name for option in one.options] == ["lr"]
    assert one.options[0].default is None


def test_a_path_that_is_misspelt(whole):
    with pytest.raises(TlfError, match=r"did you mean 'data\.csv'"):
        named(whole, "data.cvs")


def test_every_kind_is_found_at_each_place_that_takes_it():
    every = recipe_options()
    for place in every:
        for kind in place.kinds or ():
            (found,) = named(every, f"{place.path}.{kind}")
            assert found.usage, f"{place.path}.{kind}"
    with pytest.raises(TlfError, match=r"nothing in a recipe is called 'phases\.head\.linear'"):
        named(every, "phases.head.linear")
