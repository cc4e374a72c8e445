"""A recipe with the plugins that it names: read, checked, changed by programs, and handed on.

Nothing here imports torch before the plugins do: a recipe that cannot be read is told at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from tlf.errors import RecipeError
from tlf.plugins import Plugins, extend, load_plugins
from tlf.recipe import Recipe, named_plugins, read_table, resolve
from tlf.validation.overrides import override
from tlf.validation.tables import table


@dataclass(frozen=True)
class Plan:
    """A recipe with the plugins that it names."""

    recipe: Recipe
    plugins: Plugins
    source: str


RecipeLike = str | PathLike[str] | Recipe | Plan
"""A recipe file's path, what ``load_recipe`` made of one, or a recipe with its plugins."""


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


def read_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Read and check a recipe and load the plugins that it names.

    Raises:
        RecipeError: anything in the recipe or the overrides is wrong.
        PluginError: a plugin that it names cannot be loaded.
    """
    return _planned(read_table(path, overrides), str(path))


def plan_of(recipe: RecipeLike, overrides: Sequence[str] = ()) -> Plan:
    """A recipe, or the file of one, with overrides applied, and the plugins that it names.

    Raises:
        RecipeError: anything in the recipe or the overrides is wrong.
        PluginError: a plugin that it names cannot be loaded.
    """
    if isinstance(recipe, Plan):
        return _changed(recipe, overrides) if overrides else recipe
    if isinstance(recipe, Recipe):
        return _changed(Plan(recipe, load_plugins(recipe.plugins), "recipe"), overrides)
    return read_plan(Path(recipe), overrides)


def _changed(plan: Plan, overrides: Sequence[str]) -> Plan:
    content, problems = override(table(plan.recipe, plan.plugins.catalogue), overrides)
    if problems:
        raise RecipeError(problems, plan.source)
    return _planned(content, plan.source)


def _planned(content: Mapping[str, Any], source: str) -> Plan:
    plugins = load_plugins(named_plugins(content))
    recipe = resolve(content, plugins.catalogue, source)
    extend(plugins, recipe.extensions)
    return Plan(recipe, plugins, source)
