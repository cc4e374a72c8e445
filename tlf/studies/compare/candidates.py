"""The recipes that are compared. They have to be evaluated on the same images."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tlf.components import Splits
from tlf.errors import RecipeError
from tlf.recipe.plan import Plan, RecipeLike, find_splits, plan_of
from tlf.runtime.text import printable
from tlf.studies.compare.presets import variants


@dataclass(frozen=True)
class Candidate:
    """A recipe with a name."""

    name: str
    plan: Plan = field(repr=False)
    """With its images."""


def candidates(
    recipes: Sequence[RecipeLike], overrides: Sequence[str] = (), preset: str | None = None
) -> tuple[Candidate, ...]:
    """The recipes, or the variants of one recipe that a preset makes.

    Raises:
        RecipeError: there are not two of them, or they are not comparable.
        TlfError: anything that would stop a run before it trains.
    """
    if preset is None:
        plans = [(_name(recipe), plan_of(recipe, overrides)) for recipe in recipes]
    elif len(recipes) == 1:
        plans = variants(plan_of(recipes[0], overrides), preset)
    else:
        problem = f"a preset must be given one recipe, got {len(recipes)}; write one"
        raise RecipeError([problem], "compare")
    if len(plans) < 2:
        problem = "recipes must be two or more, got one; write another, or --preset and a name"
        raise RecipeError([problem], "compare")
    found = [replace(plan, splits=find_splits(plan)) for _, plan in plans]
    for plan in found[1:]:
        _check_comparable(found[0], plan)
    return tuple(map(Candidate, _unique([name for name, _ in plans]), found))


def _name(recipe: RecipeLike) -> str:
    source = getattr(recipe, "source", recipe)
    return printable(str(source).rpartition("/")[2].removesuffix(".toml")) or "recipe"


def _unique(names: Sequence[str]) -> list[str]:
    """Names that differ: ``a``, ``a-2``.

    >>> _unique(["a", "b", "a"])
    ['a', 'b', 'a-2']
    """
    found: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in found:
            number += 1
            unique = f"{name}-{number}"
        found.append(unique)
    return found


def _check_comparable(one: Plan, other: Plan) -> None:
    """Check that two recipes are evaluated on the same images with the same labels.

    Raises:
        RecipeError: they are not.
    """
    first, second = (_evaluated(find_splits(plan)) for plan in (one, other))
    if first == second:
        return
    raise RecipeError(
        [
            f"recipes must evaluate the same images with the same labels, got {len(first)} in "
            f"{one.source} and {len(second)} in {other.source}"
            f"{_difference(first, second)}; give them the same [data]"
        ],
        "compare",
    )


def _evaluated(splits: Splits) -> dict[str, str]:
    """Eval image → the name of its class."""
    pairs = zip(splits.eval.names, splits.eval.labels, strict=True)
    return {name: splits.classes[label] for name, label in pairs}


def _difference(first: dict[str, str], second: dict[str, str]) -> str:
    name = next(name for name in (*first, *second) if first.get(name) != second.get(name))
    one, other = (printable(labels.get(name, "no eval image")) for labels in (first, second))
    return f": {printable(name)} is {one} in one and {other} in the other"
