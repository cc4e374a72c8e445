"""A recipe with the plugins that it names: read, checked, changed by programs, and passed on.

Nothing here imports torch before the plugins do: a mistake in a recipe is reported at once.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from tlf.cache.store import Cache, open_cache
from tlf.catalogue import Offer
from tlf.components import Split, Splits
from tlf.data.classes import class_notes, fit_classes
from tlf.data.fixes import with_fixes
from tlf.data.listing.printable_names import with_printable_names
from tlf.data.splits import ReadFile, each_split
from tlf.data.splitting.groups import is_pattern, no_names
from tlf.data.splitting.images import Asked
from tlf.data.splitting.three_splits import divided
from tlf.errors import DataError, RecipeError
from tlf.plugins.attribution import AttributedRead, blame
from tlf.plugins.loading import Plugins, extend, load_plugins
from tlf.plugins.returned import checked_splits
from tlf.recipe.augment import check_decoding, check_depth
from tlf.recipe.files import (
    check_stored,
    model_part,
    named_plugins,
    read_table,
    resolve,
    resolve_model,
)
from tlf.recipe.overrides import override
from tlf.recipe.parts.imbalance import remedies_note, remedy_of
from tlf.recipe.schema import Data, ModelRecipe, Recipe
from tlf.recipe.tables import table
from tlf.runtime.cores import processes
from tlf.tasks import TASKS, Task


@dataclass(frozen=True)
class Plan:
    """A recipe with the plugins that it names."""

    recipe: Recipe
    plugins: Plugins = field(repr=False)
    source: str
    splits: Splits | None = None
    """Its images, if they were found before."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without modules and processes: plugins are loaded again by their names."""
        names = [plugin.name for plugin in self.plugins.loaded if plugin.name != "tlf"]
        return _plan, (self.recipe, names, self.source, self.splits)


def _plan(recipe: Recipe, names: Sequence[str], source: str, splits: Splits | None = None) -> Plan:
    """A validated recipe with its plugins.

    Raises:
        PluginError: a plugin cannot be loaded.
    """
    plugins = load_plugins(names)
    extend(plugins, recipe.extensions)
    return Plan(recipe, plugins, source, splits)


@dataclass(frozen=True)
class ModelPlan:
    """What a trained model is built from: a part of a recipe, with the plugins for it."""

    recipe: ModelRecipe
    plugins: Plugins
    source: str


RecipeLike = str | PathLike[str] | Recipe | Plan
"""A recipe file's path, what ``load_recipe`` made of one, or a recipe with its plugins."""


def load_recipe(path: str | PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file and check all of it.

    A recipe is a frozen dataclass, and so are the components in it: change it with
    ``dataclasses.replace``, by values as TOML has them or by components (``tlf.component``). The
    changed recipe is checked again where it is used.

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


def read_model_plan(path: Path, changed_by: Sequence[str] | None) -> ModelPlan:
    """Read the part of a run's recipe that its model is built from, and load the plugins for that.

    Parameters:
        path: the recipe.
        changed_by: the plugins and extensions that change the model before weights are loaded into
            it; None: all that the recipe lists may do so.

    Raises:
        RecipeError: the file cannot be read, or this part of it is wrong.
        PluginError: a plugin cannot be loaded.
    """
    content = read_table(path)
    part = model_part(content)
    if changed_by is None:
        changed_by = content.get("plugins", [])
    else:
        part["extensions"] = [e for e in part.get("extensions", []) if _kind(e) in changed_by]
    needed = {*named_plugins(part), *changed_by}
    plugins = load_plugins([name for name in named_plugins(content) if name in needed])
    recipe = resolve_model(part, plugins.catalogue, str(path))
    extend(plugins, recipe.extensions)
    return ModelPlan(recipe, plugins, str(path))


def _kind(component: object) -> object:
    return component.get("kind") if isinstance(component, Mapping) else component


def planned(content: Mapping[str, Any], source: str) -> Plan:
    """A recipe that was read and is not validated yet, with the plugins that it names.

    Raises:
        RecipeError: anything in the recipe is wrong.
        PluginError: a plugin that it names cannot be loaded.
    """
    plugins = load_plugins(named_plugins(content))
    recipe = resolve(content, plugins.catalogue, source)
    check_stored(recipe, plugins.catalogue)
    check_depth(recipe, plugins.catalogue, source)
    check_decoding(recipe, source)
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
        listed = [*recipe.plugins] if isinstance(recipe.plugins, list | tuple) else []
        plugins = load_plugins(named_plugins({"plugins": listed}))
        return _changed(Plan(recipe, plugins, "recipe"), overrides)
    return read_plan(Path(recipe), overrides)


def find_splits(plan: Plan) -> Splits:
    """Find the images and their classes, unless they were found before; decode nothing.

    Raises:
        DataError: images are missing or do not fit together.
        PluginError: the dataset broke.
    """
    if plan.splits is not None:
        return plan.splits
    data, task = plan.recipe.data, TASKS[plan.recipe.task]
    offer = plan.plugins.catalogue.offer(data.dataset)
    asked = _asked(data)
    splits = divided(_built(data, offer, task), asked, task)
    splits = with_fixes(splits, data.fixes or (), task, moved=asked.anew)
    splits = fit_classes(splits, task, data.missing_in_eval, data.unknown_in_eval)
    notes = class_notes(splits, task, remedy_of(plan.recipe, task))
    notes += remedies_note(plan.recipe, task)
    splits = replace(splits, notes=(*splits.notes, *notes))
    return with_printable_names(splits)


def noted_anew(plan: Plan, listed: Splits, kept: Splits) -> Splits:
    """What is kept of splits where train images are left out: with notes about the classes as they
    are now, instead of those about all images.
    """
    if len(kept.train) == len(listed.train):
        return kept
    task = TASKS[plan.recipe.task]
    remedy = remedy_of(plan.recipe, task)
    before = class_notes(listed, task, remedy)
    others = (note for note in kept.notes if note not in before)
    return replace(kept, notes=(*others, *class_notes(kept, task, remedy)))


def _built(data: Data, offer: Offer, task: Task) -> Splits:
    """What the dataset builds, with the test split and the column that the recipe names."""
    dataset: Any = data.dataset  # which may have the method build_with
    test = data.test if isinstance(data.test, str) else None
    columns = () if data.group is None or is_pattern(data.group) else (data.group,)
    named = test is not None or bool(columns)
    if named and not hasattr(dataset, "build_with"):
        raise DataError(no_names(offer.kind, test, data.group))
    verb = "build_with" if named else "build"
    with blame(offer, verb):
        built = dataset.build_with(test, columns) if named else dataset.build()
        splits = checked_splits(built, verb, test, columns)
        for split in filter(None, (splits.train, splits.eval, splits.test)):
            task.check_labels(split.labels, len(splits.classes))
        task.check_classes(splits.classes)
    return each_split(splits, lambda split: _attributed(split, offer, repr(dataset)))


def _asked(data: Data) -> Asked:
    seed = getattr(data.dataset, "seed", 0)
    return Asked(
        test=data.test if isinstance(data.test, float) else None,
        folds=data.folds,
        fold=data.fold,
        group=data.group,
        seed=seed if isinstance(seed, int) else 0,
        every_class=data.missing_in_eval == "error",
    )


def _attributed(split: Split, offer: Offer, origin: str) -> Split:
    """The same split, whose errors name the plugin of its dataset."""
    if offer.plugin.name == "tlf" or isinstance(split.read, ReadFile):
        return split
    return replace(split, read=AttributedRead(split.read, offer, origin))


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
    content = table(plan.recipe, plan.plugins.catalogue)
    if overrides:
        content, problems = override(content, overrides)
        if problems:
            raise RecipeError(problems, plan.source)
    return planned(content, plan.source)
