"""Read recipe files, validate them, and write recipes as TOML."""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import tomli_w

from tlf.catalogue import Catalogue, Offer
from tlf.errors import PluginError, RecipeError, nearest
from tlf.plugins.tracebacks import reason
from tlf.plugins.validation import version
from tlf.recipe.overrides import override
from tlf.recipe.reader import Reader
from tlf.recipe.schema import ModelRecipe, Recipe
from tlf.recipe.tables import kinds, table, titled
from tlf.recipe.toml import faults, parse
from tlf.recipe.values import Problem, join, shortened
from tlf.results import EVAL
from tlf.runtime.files import absolute
from tlf.runtime.regular_file import read_regular
from tlf.runtime.text import printable
from tlf.tasks import DEFAULT, TASKS, left_out, monitors, tasks_of
from tlf.tasks.metric import metric_name

_MOST_BYTES = 2**24
"""The most bytes that a recipe may hold."""
_TABLES = (".csv", ".tsv", ".parquet")
"""How the files of tables end, which a person may write in place of a recipe."""


def read_table(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a recipe and apply ``key=value`` overrides to it. Nothing is validated.

    Raises:
        RecipeError: the file cannot be read or is not TOML, or an override cannot be applied.
    """
    if path.suffix.lower() in _TABLES:
        text = (
            'must be a recipe, got a table; name it in a recipe: data = { kind = "csv", file = … }'
        )
        raise RecipeError([f"{text}, which tlf options data.csv explains"], str(path))
    parsed = _parsed(path, _text(path))
    if problems := [str(problem) for problem in faults(parsed)]:
        raise RecipeError(problems, str(path))
    content, problems = override(parsed, overrides)
    if problems:
        raise RecipeError(problems, str(path))
    return content


def named_plugins(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The plugins that a recipe names, in its order.

    >>> named_plugins({"plugins": ["wandb"], "head": "gem:pooled", "phases": [{"freeze": ["a:b"]}]})
    ('wandb', 'gem', 'a')
    """
    listed = table.get("plugins", [])
    plain = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    qualified = [kind.split(":")[0] for kind in kinds(Recipe, table) if ":" in kind]
    return tuple(dict.fromkeys(name for name in [*plain, *qualified] if name))


def resolve(table: Mapping[str, Any], catalogue: Catalogue, source: str = "recipe") -> Recipe:
    """Validate a recipe and build its components. ``source`` is the file that it was read from.

    Raises:
        RecipeError: lists every mistake, each with its path.
    """
    reader = Reader(catalogue)
    output = f"runs/{printable(Path(source).stem)}"
    table = {"output": output} | _for_task(table)
    recipe = reader.table(Recipe, table, "")
    problems = [*reader.problems, *_clashes(table, catalogue)]
    if problems or not isinstance(recipe, Recipe):
        raise RecipeError([str(problem) for problem in problems], source)
    return recipe


def _for_task(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table, with what its task fills in; an unknown one, what the default task does."""
    filled: dict[str, Any] = left_out(_task(table)) | dict(table)
    loss = filled["loss"]
    if isinstance(loss, dict) and "kind" not in loss:
        filled["loss"] = {"kind": left_out(_task(table))["loss"], **loss}
    return filled


def _task(table: Mapping[str, Any]) -> str:
    task = table.get("task")
    return task if isinstance(task, str) and task in TASKS else DEFAULT


def model_part(table: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a recipe that ``ModelRecipe`` has."""
    names = {item.name for item in fields(ModelRecipe)}
    return {name: value for name, value in table.items() if name in names}


def resolve_model(table: Mapping[str, Any], catalogue: Catalogue, source: str) -> ModelRecipe:
    """Validate the part of a recipe that the model is built from, and build its components.

    Raises:
        RecipeError: lists every mistake, each with its path.
    """
    reader = Reader(catalogue)
    recipe = reader.table(ModelRecipe, table, "")
    if reader.problems or not isinstance(recipe, ModelRecipe):
        raise RecipeError([str(problem) for problem in reader.problems], source)
    return recipe


def component_of(offer: Offer, options: Mapping[str, Any], catalogue: Catalogue) -> object:
    """A component from the options that a file holds.

    Raises:
        RecipeError: lists every option that does not fit.
    """
    reader = Reader(catalogue)
    component = reader.component(offer, options)
    if reader.problems:
        raise RecipeError([str(problem) for problem in reader.problems], offer.kind)
    return component


def check_stored(recipe: Recipe, catalogue: Catalogue) -> None:
    """Check that the components of plugins survive being stored: a run is loaded from its recipe.

    Raises:
        PluginError: a component comes back as another one, or not at all.
    """
    for component in _components(recipe, {offer.component for offer in catalogue.offers}):
        offer = catalogue.offer(component)
        if offer.plugin.name == "tlf":
            continue
        try:
            stored = tomllib.loads(tomli_w.dumps(table(component, catalogue)))
            again = component_of(offer, stored, catalogue)
            fault = "" if again == component else f"it comes back as {again!r:.300}"
        except RecipeError as error:
            fault = "; ".join(error.problems)
        except Exception as error:  # whatever a plugin's values and its __eq__ raise
            fault = reason(error, offer.component.__module__)
        if fault:
            who = f"{offer.kind!r} ({version(offer.plugin)})"
            raise PluginError(f"{who}: its options must survive being stored in a recipe: {fault}")


def _components(value: object, classes: Collection[type]) -> Iterator[object]:
    """Every component in a recipe."""
    if type(value) in classes:
        yield value
    elif is_dataclass(value):
        for item in fields(value):
            yield from _components(getattr(value, item.name), classes)
    elif isinstance(value, tuple):
        for item in value:
            yield from _components(item, classes)


def dump(recipe: Recipe, catalogue: Catalogue) -> str:
    """The recipe as TOML with every default. Resolving it gives an equal recipe."""
    content = table(recipe, catalogue)
    return tomli_w.dumps(
        content
        | {name: titled(content[name]) for name in ("backbone", "head", "loss", "optimizer")}
    )


def _text(path: Path) -> str:
    try:
        return read_regular(path, _MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = f"must be UTF-8, byte {error.start} is not; save the file as UTF-8 text"
        raise RecipeError([text], str(path)) from error
    except OSError as error:
        raise RecipeError([_unreadable(path, error)], str(path)) from error
    except ValueError as error:  # a NUL in its name
        raise RecipeError(["no such file; write the path of a recipe"], repr(str(path))) from error


def _unreadable(path: Path, error: OSError) -> str:
    folder = path if path.is_dir() else path.parent
    files = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    recipes = [file.name for file in files if file.name != "pyproject.toml"]
    others = f"; {nearest(path.name, recipes)}" if recipes else ""
    if path.is_dir():
        example = folder / (recipes[0] if recipes else "my_recipe.toml")
        return (
            f"must be a file, got a folder; write the path of a recipe, such as {example}{others}"
        )
    if isinstance(error, FileNotFoundError):
        advice = f"write the path of a recipe, a file that ends in .toml{others}"
        place = "" if path.is_absolute() else f", {absolute(path)}"
        return f"no such file{place}; {advice}"
    return f"cannot be read: {error.strerror}"


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return parse(text)
    except tomllib.TOMLDecodeError as error:
        fault, _, where = str(error).rpartition(" (at ")
        match = re.fullmatch(r"(?:line (\d+), column (\d+)|end of document)\)", where)
        problem = (
            _toml_problem(text, shortened(fault), *match.groups())
            if match
            else f"not TOML: {shortened(str(error))}"
        )
        raise RecipeError([problem], str(path)) from error
    except ValueError as error:
        raise RecipeError([str(error)], str(path)) from error


def _toml_problem(text: str, fault: str, row: str | None, column: str | None) -> str:
    """What is not TOML, and in which line; at the end of the text if there is no row."""
    lines = (text if row else text.rstrip()).split("\n")
    line = lines[int(row or len(lines)) - 1]
    place = f"line {row or len(lines)}, column {column or len(line) + 1}"
    message = f"{place}: {fault}" if row else f"not TOML: {fault} at the end, {place}"
    return f"{message}, in: {shortened(line.strip())}"


def _clashes(table: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Problem]:
    """Values that are valid by themselves, but not together."""
    batch, pieces = table.get("batch_size", 32), table.get("accumulate", 1)
    if isinstance(batch, int) and isinstance(pieces, int) and 1 <= batch < pieces:
        yield Problem("accumulate", f"must be at most batch_size, {batch}, got {pieces}")
    yield from _metric_clashes(table, catalogue)
    yield from _task_clashes(table, catalogue)
    yield from _size_clash(table.get("transforms"))
    phases = table.get("phases")
    if phases == []:
        yield Problem("phases", "must not be empty; write at least one [[phases]] table")
    if isinstance(phases, list):
        yield from _phase_clashes([phase for phase in phases if isinstance(phase, dict)])


def _metric_clashes(table: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Problem]:
    """Metrics of the same name, and a monitor that no evaluation would have."""
    first: dict[str, str] = {}
    for kind in kinds(Recipe, {"metrics": table.get("metrics")}):
        name = metric_name(kind)
        if name in first:
            text = f"must have different names, got {first[name]!r} and {kind!r}; remove one"
            yield Problem("metrics", text)
        first.setdefault(name, kind)
    monitor = table.get("monitor")
    known = tuple(dict.fromkeys((*monitors(_task(table)), *(f"{EVAL}{name}" for name in first))))
    if isinstance(monitor, str) and monitor not in known:
        offered = [k for k in catalogue.of("tlf_metrics") if f"{EVAL}{metric_name(k)}" == monitor]
        advice = f'write metrics = ["{offered[0]}"], too' if offered else nearest(monitor, known)
        text = "must be a figure of every run, or of metrics"
        yield Problem("monitor", f"{text}, got {shortened(monitor, 60)!r}; {advice}")


def _task_clashes(table: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Problem]:
    """A loss and metrics that are of another task, and metrics that the task has anyway."""
    task = _task(table)
    for key, hook in (("loss", "tlf_losses"), ("metrics", "tlf_metrics")):
        offers = catalogue.of(hook)
        of_task = [k for k in offers if task in tasks_of(offers[k].component)]
        for kind in kinds(Recipe, {key: table.get(key)}):
            if kind in offers and kind not in of_task:
                advice = f"write {' or '.join(map(repr, of_task))}" if of_task else "leave it out"
                if not hasattr(offers[kind].component, "tasks"):
                    advice += f"; if it fits, its author writes tasks = ({task!r},) in its class"
                yield Problem(key, f"must fit the task {task!r}, got {kind!r}; {advice}")
            elif key == "metrics" and f"{EVAL}{metric_name(kind)}" in monitors(task):
                text = f"must be others than the task {task!r} measures anyway, got {kind!r}"
                yield Problem(key, f"{text}; leave it out")


def _size_clash(transforms: object) -> Iterator[Problem]:
    sides = transforms if isinstance(transforms, dict) else {}
    size, resize = sides.get("size"), sides.get("resize")
    if isinstance(size, int) and isinstance(resize, int) and 1 <= resize < size:
        text = f"must be at least the size of the crop, {size}, got {resize}"
        yield Problem("transforms.resize", text)


def _phase_clashes(phases: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    first: dict[object, int] = {}
    for index, phase in enumerate(phases):
        name, path = phase.get("name"), join("phases", index)
        if isinstance(name, str) and name in first:
            text = f"must be unique, got {name!r}, the name of phases.{first[name]}"
            yield Problem(join(path, "name"), text)
        elif isinstance(name, str):
            first[name] = index
        if isinstance(phase.get("lr"), dict) and "head" not in phase["lr"]:
            yield Problem(
                join(path, "lr"), "a table must have a learning rate for head; write head = …"
            )
