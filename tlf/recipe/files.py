"""Read recipe files, validate them, and write recipes as TOML."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from tlf.components import (
    Catalogue,
)
from tlf.errors import RecipeError, nearest
from tlf.recipe.overrides import override
from tlf.recipe.reader import Reader
from tlf.recipe.schema import Recipe
from tlf.recipe.tables import kinds, table, titled
from tlf.recipe.values import Problem, join


def read_table(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a recipe and apply ``key=value`` overrides to it. Nothing is validated yet.

    Raises:
        RecipeError: the file cannot be read or is not TOML, or an override cannot be applied.
    """
    content, problems = override(_parsed(path, _text(path)), overrides)
    if problems:
        raise RecipeError(problems, str(path))
    return content


def named_plugins(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The plugins that a recipe needs, in the order in which it names them.

    >>> named_plugins({"plugins": ["wandb"], "head": "gem:pooled", "phases": [{"freeze": ["a:b"]}]})
    ('wandb', 'gem', 'a')
    """
    listed = table.get("plugins", [])
    plain = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    qualified = [kind.split(":")[0] for kind in kinds(Recipe, table) if ":" in kind]
    return tuple(dict.fromkeys(name for name in [*plain, *qualified] if name))


def resolve(table: Mapping[str, Any], catalogue: Catalogue, source: str = "recipe") -> Recipe:
    """Validate a recipe and make its components. ``source`` is the file that it was read from.

    Raises:
        RecipeError: something in it is wrong. Tells every mistake, each with its path.
    """
    reader = Reader(catalogue)
    recipe = reader.table(Recipe, {"output": f"runs/{Path(source).stem}"} | dict(table), "")
    problems = [*reader.problems, *_clashes(table)]
    if problems or not isinstance(recipe, Recipe):
        raise RecipeError([str(problem) for problem in problems], source)
    return recipe


def dump(recipe: Recipe, catalogue: Catalogue) -> str:
    """The recipe as TOML with every default written out. Resolving it gives an equal recipe."""
    content = table(recipe, catalogue)
    return tomli_w.dumps(
        content
        | {name: titled(content[name]) for name in ("backbone", "head", "loss", "optimizer")}
    )


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = f"byte {error.start} is not UTF-8; save the file as UTF-8 text"
        raise RecipeError([text], str(path)) from error
    except OSError as error:
        raise RecipeError([_unreadable(path, error)], str(path)) from error


def _unreadable(path: Path, error: OSError) -> str:
    folder = path if path.is_dir() else path.parent
    files = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    recipes = [file.name for file in files if file.name != "pyproject.toml"]
    others = f"; {nearest(path.name, recipes)}" if recipes else ""
    if path.is_dir():
        example = folder / (recipes[0] if recipes else "my_recipe.toml")
        return f"is a folder; write the path of a recipe, such as {example}{others}"
    if isinstance(error, FileNotFoundError):
        return f"no such file; write the path of a recipe, a file that ends in .toml{others}"
    return f"cannot be read: {error.strerror}"


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(
            r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error)
        )
        if not found:
            raise RecipeError([f"not TOML: {error}"], str(path)) from error
        raise RecipeError([_where(text, *found.groups())], str(path)) from error


def _where(text: str, fault: str, row: str | None, column: str | None) -> str:
    """What is not TOML, and in which line. Without a row and a column it is the end of the text."""
    lines = (text if row else text.rstrip()).split("\n")
    line = lines[int(row or len(lines)) - 1]
    place = f"line {row or len(lines)}, column {column or len(line) + 1}"
    told = f"{place}: {fault}" if row else f"not TOML: {fault} at the end, {place}"
    return f"{told}, in: {line.strip()}"


def _clashes(table: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong between values that are right by themselves."""
    batch, pieces = table.get("batch_size", 32), table.get("accumulate", 1)
    if isinstance(batch, int) and isinstance(pieces, int) and 1 <= batch < pieces:
        yield Problem(
            "accumulate", f"cuts batches of {batch} into {pieces} pieces; at most {batch}"
        )
    yield from _size_clash(table.get("transforms"))
    phases = table.get("phases")
    if phases == []:
        yield Problem("phases", "is empty; write at least one [[phases]] table")
    if isinstance(phases, list):
        yield from _phase_clashes([phase for phase in phases if isinstance(phase, dict)])


def _size_clash(transforms: object) -> Iterator[Problem]:
    sides = transforms if isinstance(transforms, dict) else {}
    size, resize = sides.get("size"), sides.get("resize")
    if isinstance(size, int) and isinstance(resize, int) and 1 <= resize < size:
        yield Problem("transforms.resize", f"{resize} is below the size of the crop, {size}")


def _phase_clashes(phases: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    seen: dict[object, int] = {}
    for index, phase in enumerate(phases):
        name, path = phase.get("name"), join("phases", index)
        if isinstance(name, str) and name in seen:
            text = f"phases.{seen[name]} is also called {name!r}; names have to differ"
            yield Problem(join(path, "name"), text)
        elif isinstance(name, str):
            seen[name] = index
        if isinstance(phase.get("lr"), dict) and "head" not in phase["lr"]:
            yield Problem(join(path, "lr"), "a table of learning rates needs one for head")
