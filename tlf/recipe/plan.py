"""A recipe with the plugins that it names: read, checked, changed by programs, and passed on.

Nothing here imports torch before the plugins do: a mistake in a recipe is reported at once.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from tlf.cache.store import Cache, open_cache
from tlf.components import Offer, Split, Splits
from tlf.data.splits import ReadFile, with_printable_names
from tlf.errors import RecipeError
from tlf.plugins.attribution import AttributedRead, blame
from tlf.plugins.loading import Plugins, extend, load_plugins
from tlf.plugins.returned import checked_splits
from tlf.recipe.files import check_stored, named_plugins, read_table, resolve
from tlf.recipe.overrides import override
from tlf.recipe.schema import Recipe
from tlf.recipe.tables import table
from tlf.runtime.cores import processes
from tlf.tasks import TASKS


@dataclass(frozen=True)
class Plan:
    """A recipe with the plugins that it names."""

    recipe: Recipe
    plugins: Plugins
    source: str
    splits: Splits | None = None
    """Its images, if they were found before."""


RecipeLike = str | PathLike[str] | Recipe | Plan
"""A recipe file's path, what ``load_recipe`` made of one, or a recipe with its plugins."""


def load_recipe(path: str | PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file and check all of it.

    A recipe is a frozen dataclass, and so are the components in it: change it with
    ``dataclasses.replace``. The changed recipe is checked again where it is used.

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
        RecipeError: the recipe or the overrides are wrong; names every mistake.
        PluginError: a plugin that it names cannot be loaded.
    """
    plan = read_plan(Path(path), overrides)
    # Components no longer show their qualified names: list every plugin that the recipe needs.
    needed = (plugin.name for plugin in plan.plugins.loaded if plugin.name != "tlf")
    return replace(plan.recipe, plugins=tuple(needed))


def read_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Read and check a recipe and load the plugins that it names.

    Raises:
        RecipeError: anything in the recipe or the overrides is wrong.
        PluginError: a plugin that it names cannot be loaded.
    """
    return planned(read_table(path, overrides), str(path))


def planned(content: Mapping[str, Any], source: str) -> Plan:
    """A recipe that was read and is not validated yet, with the plugins that it names.

    Raises:
        RecipeError: anything in the recipe is wrong.
        PluginError: a plugin that it names cannot be loaded.
    """
    plugins = load_plugins(named_plugins(content))
    recipe = resolve(content, plugins.catalogue, source)
    check_stored(recipe, plugins.catalogue)
    extend(plugins, recipe.extensions)
    return Plan(recipe, plugins, source)


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


def find_splits(plan: Plan) -> Splits:
    """Find the images and their classes, unless they were found before; decode nothing.

    Raises:
        DataError: images are missing or do not fit together.
        PluginError: the dataset broke.
    """
    if plan.splits is not None:
        return plan.splits
    dataset, task = plan.recipe.data.dataset, TASKS[plan.recipe.task]
    offer = plan.plugins.catalogue.offer(dataset)
    with blame(offer, "build"):
        splits = checked_splits(dataset.build())
        for split in (splits.train, splits.eval):
            task.check_labels(split.labels, len(splits.classes))
    attributed = replace(
        splits, train=_attributed(splits.train, offer), eval=_attributed(splits.eval, offer)
    )
    return with_printable_names(attributed)


def _attributed(split: Split, offer: Offer) -> Split:
    """The same split, whose errors name the plugin of its dataset."""
    if offer.plugin.name == "tlf" or isinstance(split.read, ReadFile):
        return split
    return replace(split, read=AttributedRead(split.read, offer))


def with_splits(plan: Plan) -> Plan:
    """The same plan with its images, found before torch is imported: an error in them is reported
    at once. Of several processes, one has to find them first, which comes later.

    Raises:
        DataError: images are missing or do not fit together.
        PluginError: the dataset broke.
    """
    return plan if processes() > 1 else replace(plan, splits=find_splits(plan))


def cache_of(recipe: Recipe) -> Cache | None:
    """Where a run stores what it computes once; None where it stores nothing."""
    settings = recipe.cache
    # The cache needs ``flock`` and ``pread``, which Windows lacks.
    if settings.mode == "off" or sys.platform == "win32":
        return None
    return open_cache(settings.dir, settings.max_gb)


def _changed(plan: Plan, overrides: Sequence[str]) -> Plan:
    content, problems = override(table(plan.recipe, plan.plugins.catalogue), overrides)
    if problems:
        raise RecipeError(problems, plan.source)
    return planned(content, plan.source)
