"""What is checked: the images of a recipe or of a folder, and the backbone that looks at them."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from tlf.errors import RecipeError, RunError, in_shell
from tlf.recipe.overrides import override
from tlf.recipe.plan import Plan, RecipeLike, plan_of, planned
from tlf.recipe.schema import Recipe
from tlf.runtime.files import absolute, is_run, with_absolute

_LENIENT = (
    "data.bad_images=skip",
    "data.missing_in_eval=allow",
    "data.unknown_in_eval=skip",
)
"""A check reports faults in the data, so it stops at none of them."""

_OF_FOLDER: Mapping[str, Any] = {
    "backbone": {"kind": "torchvision", "model": "resnet18", "weights": "starter"},
    "phases": [{"name": "head", "freeze": "backbone", "epochs": 1, "lr": 0.01}],
}
"""The recipe of a folder. These weights come with tlf, so that nothing is downloaded."""


def plan_to_check(
    source: RecipeLike, overrides: Sequence[str] = (), command: str = "check"
) -> Plan:
    """The plan of a check, or of another command that looks at images and trains nothing.

    Parameters:
        source: a recipe, or a folder that holds a folder of images for each class.
        overrides: ``key=value``, as on the command line.
        command: the command, for messages.

    Raises:
        RecipeError: anything in the recipe or the overrides is wrong.
        RunError: there is neither a recipe nor a folder; or it is the folder of a run.
        PluginError: a plugin that it names cannot be loaded.
    """
    if isinstance(source, Plan) and not overrides and _is_lenient(source.recipe):
        return source  # its images may have been found already
    lenient = [*overrides, *_LENIENT]
    if not isinstance(source, str | PathLike):
        return plan_of(source, lenient)
    path = absolute(source)
    if not path.exists():
        raise RunError(
            f"{with_absolute(source)} is neither a recipe nor a folder of images; write one of them"
        )
    if not path.is_dir():
        return plan_of(source, lenient)
    return _plan_of_folder(path, str(source), lenient, command)


def _is_lenient(recipe: Recipe) -> bool:
    return all(
        getattr(recipe.data, key.removeprefix("data.")) == value
        for key, _, value in (override.partition("=") for override in _LENIENT)
    )


def _plan_of_folder(folder: Path, source: str, overrides: Sequence[str], command: str) -> Plan:
    """A plan for the images in a folder. ``source``: what a person calls it.

    Raises:
        RecipeError: an override is wrong.
        RunError: it is the folder of a run.
    """
    if is_run(folder):
        recipe = in_shell(folder / "recipe.toml")
        raise RunError(
            f"{folder} is the folder of a run, not of images; for the run's images, write: "
            f"tlf {command} {recipe}"
        )
    table = {**_OF_FOLDER, "data": {"kind": "folder", "root": str(folder)}}
    content, problems = override(table, overrides)
    if problems:
        raise RecipeError(problems, source)
    return planned(content, source)
