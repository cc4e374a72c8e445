"""Write a first recipe for a folder or a table of images."""

import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from tlf.components import Splits
from tlf.data.image_files import is_folder, visible
from tlf.data.splits import eval_splits, split_named
from tlf.errors import RecipeError, RunError
from tlf.first_recipe.look import Look, look
from tlf.first_recipe.strategies import strategy_for
from tlf.first_recipe.table import TableOfImages, look_at_table
from tlf.first_recipe.text import Choices, recipe_text
from tlf.first_recipe.weights import Weights, weights_at_hand
from tlf.recipe.backbone_names import backbone_table
from tlf.recipe.plan import planned
from tlf.runs.explain import Explanation, explain
from tlf.runtime.files import absolute, is_run, with_absolute, write_whole

_TABLES = (".csv", ".tsv", ".txt")
"""How the names of tables end."""


@dataclass(frozen=True)
class FirstRecipe:
    """A recipe that was written."""

    path: Path
    text: str = field(repr=False)
    choices: Choices = field(repr=False)
    explanation: Explanation = field(repr=False)
    """What it would do."""


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def init(
    folder: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    strategy: str | None = None,
    backbone: str | None = None,
    label: str | None = None,
    say: Callable[[str], object] = _say,
) -> FirstRecipe:
    """Look at a folder or a table of images, and write a recipe for them that runs as it is.

    Parameters:
        folder: it holds a folder of images for each class, or one for each split; or a CSV file
            that lists images, with a column of classes, of several classes in a cell, or a column
            of 0 and 1 for each class; and maybe a column of splits, such as split or is_valid.
        output: the file to write; by default the name of the folder and ``.toml``, in the working
            directory. An existing file is an error.
        strategy: ``head``, ``head-then-thaw`` or ``all``; by default by the number of images.
        backbone: a name such as ``timm/resnet18@a1_in1k``, a table as ``[backbone]`` has it, or a
            recipe that has it; by default the first pretrained weights that are at hand.
        label: the column of classes in a CSV file; by default it is found.
        say: told what is done, before the network is asked.

    Raises:
        RunError: there is no such folder, or the file exists.
        DataError: the folder holds no images in folders of classes, or the columns of the table
            cannot be told.
        RecipeError: there is no such strategy or backbone.
        WeightsError: the weights cannot be fetched or do not fit.
    """
    root = _folder_or_table(folder)
    name = root.resolve().stem if root.is_file() else root.resolve().name
    path = Path(output) if output is not None else Path(f"{name or 'images'}.toml")
    _check_new(path, root)
    table, seen = _seen(fspath(folder), root, label)
    chosen = strategy_for(seen, strategy)
    weights = _asked_for(backbone) if backbone is not None else weights_at_hand(say)
    choices = Choices(
        fspath(folder), path, seen, chosen, weights, strategy is not None, backbone,
        table=table, label=label,
    )  # fmt: skip
    choices, explanation = _explained(choices, path)
    text = recipe_text(choices)
    write_whole(path, text)
    return FirstRecipe(path, text, choices, explanation)


def _seen(folder: str, root: Path, label: str | None) -> tuple[TableOfImages | None, Look]:
    """What is seen in a table, if it is one, and in the images."""
    if not root.is_file():
        if label is not None:
            raise RunError(f"--label names a column of a CSV file, and {folder} is a folder")
        test = _test_folder(root)
        return None, look(_found({"kind": "folder", "root": folder}, test, folder), test)
    table = look_at_table(folder, label)
    splits = _found(dict(table.data), table.test, folder)
    return table, look(splits, table.test, table.task)


def _folder_or_table(folder: str | PathLike[str]) -> Path:
    root = absolute(folder)
    if root.is_file() and root.suffix.lower() in _TABLES:
        return root
    if not root.is_dir():
        advice = (
            '; name any other table in a recipe: data = { kind = "csv", file = … }, which tlf '
            "options data.csv explains"
            if root.is_file()
            else ""
        )
        raise RunError(
            f"{with_absolute(folder)} must be a folder of images, or a CSV file that lists them; "
            f"write one{advice}"
        )
    if is_run(root):
        raise RunError(f"{root} is the folder of a run, not of images; write a folder of images")
    return root


def _check_new(path: Path, root: Path) -> None:
    if path.exists():
        raise RunError(
            f"{path} exists, and tlf init overwrites nothing; write --output and another name"
        )
    if path.suffix != ".toml":
        raise RunError(f"--output must end in .toml, got {path}; write {path}.toml")
    if not path.absolute().parent.is_dir():
        raise RunError(f"{path.absolute().parent} must be a folder, to write {path.name} into it")


def _test_folder(root: Path) -> str | None:
    """The folder of the test split, where there is one beside those of train and eval."""
    names = [entry.name for entry in visible(root) if is_folder(entry)]
    found = eval_splits(names)
    is_test = split_named("train", names) and len(found) > 1 and found[-1].casefold() == "test"
    return found[-1] if is_test else None


def _found(data: Mapping[str, object], test: str | None, source: str) -> Splits:
    """The images as the dataset has them, with classes of which only one split has images."""
    plan = planned(
        {
            "data": data,
            "backbone": "torchvision",
            "phases": [{"name": "head", "freeze": "backbone", "epochs": 1, "lr": 0.1}],
        },
        source,
    )
    dataset: Any = plan.recipe.data.dataset
    splits: Splits = dataset.build_with(test, ())
    return splits


def _asked_for(backbone: str) -> Weights:
    """The backbone that a person asks for."""
    table = backbone_table(backbone, "--backbone")
    pairs = table if isinstance(table, Mapping) else {"kind": table}
    return Weights(tuple(pairs.items()), "as asked for")


def _explained(choices: Choices, path: Path) -> tuple[Choices, Explanation]:
    """What the recipe would do. A network that does not take small images gets the size that its
    weights are for.
    """
    try:
        return choices, _explanation(choices, path)
    except RecipeError:
        if not choices.enlarges:
            raise
        choices = replace(choices, sizes=False)
        return choices, _explanation(choices, path)


def _explanation(choices: Choices, path: Path) -> Explanation:
    return explain(planned(tomllib.loads(recipe_text(choices)), str(path)))
