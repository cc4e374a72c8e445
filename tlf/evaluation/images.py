"""The labelled images that a model is evaluated on: a run's own, or others that are named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from tlf.components import Labelled, Split
from tlf.data.fixes import notes_of_fixes
from tlf.data.listing.compact import Numbers, alike, chosen
from tlf.data.splits import listed
from tlf.errors import DataError, RecipeError, RunError
from tlf.evaluation.groups import group_of
from tlf.evaluation.models import run_of
from tlf.evaluation.one_split import OWN_SPLITS, one_split
from tlf.plugins.loading import load_plugins
from tlf.recipe.files import named_plugins, read_table
from tlf.recipe.overrides import override
from tlf.recipe.plan import find_splits, read_plan
from tlf.recipe.reader import Reader
from tlf.recipe.schema import Data
from tlf.runtime.files import absolute, with_absolute
from tlf.runtime.text import printable
from tlf.tasks import Task

_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq")

_COLUMNS = ("path", "label", "label_separator", "labels")
"""How a table says where an image is, and which classes it has."""


@dataclass(frozen=True)
class Source:
    """Where the images come from. They are found when they are first needed."""

    title: str
    """What they are called on the screen."""
    name: str
    """The same in short: the name of a folder."""
    find: Callable[[], Labelled]
    run: Path | None = None
    """The run whose own, unchanged eval split they are."""
    others: Callable[[], Mapping[str, Split]] | None = None
    """Where they are the test split of a run's recipe: finds its train and eval split."""
    recipe: Path | None = None
    """The run whose recipe names them."""
    changed: bool = False
    """Whether overrides change that recipe."""
    drawn: bool = False
    """Whether they are test images that were drawn out of others."""
    split: str | None = None
    """Which split of that recipe they are: ``train``, ``eval`` or ``test``."""

    @cached_property
    def found(self) -> Labelled:
        """The images.

        Raises:
            DataError: they are missing, or do not fit together.
            RecipeError: an option of the dataset is wrong.
            PluginError: the dataset broke.
        """
        return self.find()


def source_of(
    model: Path, data: str | PathLike[str] | None, overrides: Sequence[str], split: str | None
) -> Source:
    """Where the images for a model come from.

    Parameters:
        model: the model; its run has images of its own.
        data: a folder of class folders, or a table of images, with the columns of the run's own
            table where it has one; None: the run's own images.
        overrides: ``data.key=value``: options of the dataset.
        split: the name of the split.

    Raises:
        RunError: nothing names images.
        RecipeError: an override is about something else than images.
    """
    _check_overrides(overrides)
    run = run_of(model)
    if data is not None:
        name = "-".join(filter(None, [_name(Path(data)), _plain(split)]))
        title = _titled(str(data), split)
        return Source(title, name, lambda: _labelled(_table(data, run), overrides, split, run))
    if run is not None and split is not None and split not in OWN_SPLITS:
        return _other_split(run, overrides, split)
    if run is not None:
        own, name = not overrides and split in (None, "eval"), split or "eval"
        return Source(
            _title(name, run, overrides),
            _plain(name),
            lambda: _own(run, overrides, split),
            run if own else None,
            recipe=run, changed=bool(overrides), split=name,
        )  # fmt: skip
    if not overrides:
        raise RunError(
            f"{with_absolute(model)} is not in the folder of a run, so it has no images of its "
            "own; write --data with a folder of class folders, or a CSV file"
        )
    title = _titled(" ".join(overrides), split)
    return Source(title, _plain(split) or "data", lambda: _labelled({}, overrides, split))


def _title(name: str, run: Path, overrides: Sequence[str]) -> str:
    return f"the {name} split of {run}" + (" with changed data" * bool(overrides))


def _other_split(run: Path, overrides: Sequence[str], split: str) -> Source:
    """The test split of a run's recipe, or what the dataset calls ``split``."""
    plan = read_plan(run / "recipe.toml", overrides)
    data, title = plan.recipe.data, _title(split, run, overrides)
    if data.test is None or split not in ("test", data.test):
        one = replace(data, group=None), plan.plugins, split, data.group
        return Source(title, _plain(split), lambda: one_split(*one))
    splits = cache(lambda: find_splits(plan))

    def find() -> Labelled:
        test = splits().test
        assert test is not None  # the recipe asks for it
        return Labelled(test, splits().classes, notes_of_fixes(splits(), data.fixes or ()))

    return Source(
        title,
        _plain(split),
        find,
        others=lambda: {"train": splits().train, "eval": splits().eval},
        recipe=run, changed=bool(overrides), drawn=isinstance(data.test, float), split="test",
    )  # fmt: skip


def _titled(data: str, split: str | None) -> str:
    return f"{data}, split {split}" if split else data


def _plain(split: str | None) -> str:
    """The name of a split as a part of the name of a folder."""
    return printable(split or "").replace("/", "-")


def _name(data: Path) -> str:
    """The name of a folder, or that of a file without its suffix."""
    path = data if data.name not in ("", "..") else data.resolve()
    return printable(path.name if path.is_dir() else path.stem).lstrip(".") or "data"


def _check_overrides(overrides: Sequence[str]) -> None:
    wrong = [text for text in overrides if not text.startswith("data.")]
    if wrong:
        raise RecipeError(
            [
                f"{text:.80}: must change [data], such as data.root=photographs; a model is "
                "evaluated as it was trained"
                for text in wrong
            ],
            "overrides",
        )


def _own(run: Path, overrides: Sequence[str], split: str | None) -> Labelled:
    """The images of a run's recipe that it has trained on, or chosen by."""
    plan = read_plan(run / "recipe.toml", overrides)
    splits = find_splits(plan)
    images = splits.train if split == "train" else splits.eval
    return Labelled(images, splits.classes, notes_of_fixes(splits, plan.recipe.data.fixes or ()))


def _table(data: str | PathLike[str], run: Path | None) -> dict[str, Any]:
    """The table ``[data]`` that stands for a folder, or for a table of images. ``run``: of the
    model.

    Raises:
        DataError: it is neither.
    """
    if not str(data):
        raise DataError("data must be a folder of class folders or a CSV file, got ''; name one")
    path = absolute(data)
    if path.is_dir():
        return {"kind": "folder", "root": str(path)}
    if path.is_file() and path.suffix.lower() in _TABLES:
        return {"kind": "csv", "file": str(path)} | _columns(run)
    problem = "is no CSV file" if path.is_file() else "does not exist"
    raise DataError(
        f"data must be a folder of class folders or a CSV file, and {with_absolute(data)} "
        f"{problem}; write --data FOLDER, or data.kind=… for another dataset"
    )


def _columns(run: Path | None) -> dict[str, Any]:
    """How the own table of a run is read; empty where the run has none."""
    own = read_table(run / "recipe.toml")["data"] if run is not None else {}
    return {key: own[key] for key in _COLUMNS if key in own} if own.get("kind") == "csv" else {}


def _labelled(
    table: dict[str, Any], overrides: Sequence[str], split: str | None, run: Path | None = None
) -> Labelled:
    """The images of a dataset that is named by its options alone. ``run``: of the model."""
    content, problems = override({"data": table}, overrides)
    if problems:
        raise RecipeError(problems, "data")
    plugins = load_plugins(named_plugins(content))
    reader = Reader(plugins.catalogue)
    data = reader.table(Data, content["data"], "data")
    if reader.problems or not isinstance(data, Data):
        raise RecipeError([str(problem) for problem in reader.problems], "data")
    return one_split(data, plugins, split, None if run is None else group_of(run))


@dataclass(frozen=True)
class Aligned:
    """The images whose class a model knows."""

    images: Split
    positions: Sequence[int]
    """The position of each in ``images``."""
    labels: Sequence[Any]
    """The label of each, as the task has it, with the classes in the order of the model."""
    unknown: dict[str, int]
    """Class that the model does not know → its images. They are left out; an image that may have
    any number of labels loses this one."""

    @property
    def names(self) -> Sequence[str]:
        """The names of the images."""
        return chosen(self.images.names, self.positions)


def align(found: Labelled, title: str, labels: Sequence[str], task: Task) -> Aligned:
    """Give images the labels of a model, by the names of their classes.

    Raises:
        DataError: the model knows no class of any image, or has another task.
    """
    try:
        task.check_labels(found.images.labels, max(2, len(found.classes)))
    except ValueError as error:
        raise DataError(f"{title} must have labels as the model's task has them: {error}") from None
    place = {name: index for index, name in enumerate(found.classes)}
    aligned = task.among(found.images.labels, [place.get(name, -1) for name in labels])
    counts = task.class_counts(found.images.labels, len(found.classes))
    known = {*labels}
    unknown = {
        name: count
        for name, count in zip(found.classes, counts, strict=True)
        if count and name not in known
    }
    if not aligned or known.isdisjoint(found.classes):
        raise DataError(
            f"{title} must have images of classes that the model knows, {listed(labels)}, got "
            f"{listed(unknown)}; name the classes as the model does"
        )
    own = alike(found.images.labels, aligned.values())
    return Aligned(found.images, Numbers(aligned), own, unknown)
