"""Recipes for programs: read one, change it, and hand it on."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from tlf.errors import RecipeError
from tlf.job import Plan, read_plan
from tlf.plugins import load_plugins
from tlf.recipe import Recipe, named_plugins, resolve
from tlf.validation.overrides import override
from tlf.validation.tables import table

RecipeLike = str | PathLike[str] | Recipe
"""A recipe file's path, or what ``load_recipe`` made of one."""


def load_recipe(path: str | PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file and check all of it.

    What it gives is a frozen dataclass, and so are the components in it: ``dataclasses.replace``
    makes another recipe of it, which is checked again where it is used.

    >>> import tlf
    >>> recipe = tlf.load_recipe("recipes/resnet18_finetune.toml", ["phases.all.epochs=5"])
    >>> [(phase.name, phase.epochs) for phase in recipe.phases]
    [('head', 3), ('all', 5)]
    >>> recipe.backbone.model
    'resnet18'

    Parameters:
        path: a TOML file.
        overrides: ``key=value``, as on the command line.

    Raises:
        RecipeError: anything in the recipe or the overrides is wrong; tells every mistake.
        PluginError: a plugin that it names cannot be loaded.
    """
    plan = read_plan(Path(path), overrides)
    # All that it needs, those that only a component is named from, too: it goes by itself now.
    others = (plugin.name for plugin in plan.plugins.loaded if plugin.name != "tlf")
    return replace(plan.recipe, plugins=tuple(others))


def plan_of(recipe: RecipeLike, overrides: Sequence[str] = ()) -> Plan:
    """A recipe, or the file of one, with overrides applied, and the plugins that it names.

    Raises:
        RecipeError: anything in the recipe or the overrides is wrong.
        PluginError: a plugin that it names cannot be loaded.
    """
    if not isinstance(recipe, Recipe):
        return read_plan(Path(recipe), overrides)
    content, problems = override(table(recipe, load_plugins(recipe.plugins).catalogue), overrides)
    if problems:
        raise RecipeError(problems)
    plugins = load_plugins(named_plugins(content))
    return Plan(resolve(content, plugins.catalogue), plugins, "recipe")
