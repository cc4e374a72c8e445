"""The recipes that are compared. They have to be evaluated on the same images."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tlf.errors import RecipeError
from tlf.recipe.plan import Plan, RecipeLike, find_splits, plan_of
from tlf.runtime.text import printable
from tlf.studies.compare.presets import variants
from tlf.tasks import TASKS

FEWEST = 2
"""Eval images, at least."""
_LONGEST = 60
"""Letters of a name in the names of folders."""


@dataclass(frozen=True)
class Candidate:
    """A recipe with a name."""

    name: str
    plans: tuple[Plan, ...] = field(repr=False)
    """One for each fold, or one in all; with their images."""

    @property
    def plan(self) -> Plan:
        """The first."""
        return self.plans[0]


def candidates(
    recipes: Sequence[RecipeLike],
    overrides: Sequence[str] = (),
    preset: str | None = None,
    folds: int | None = None,
) -> tuple[Candidate, ...]:
    """The recipes, or the variants of one recipe that a preset makes. ``folds``: into so many the
    images are dealt.

    Raises:
        RecipeError: there are not two of them, or they are not comparable.
        TlfError: anything that would stop a run before it trains.
    """
    if preset is None:
        plans = [(_name(plan), plan) for plan in (plan_of(one, overrides) for one in recipes)]
    elif len(recipes) == 1:
        plans = variants(plan_of(recipes[0], overrides), preset)
    else:
        problem = f"a preset must be given one recipe, got {len(recipes)}; write one"
        raise RecipeError([problem], "compare")
    if len(plans) < 2:
        problem = "recipes must be two or more, got one; write another, or --preset and a name"
        raise RecipeError([problem], "compare")
    found = [_with_images(plan, folds) for _, plan in plans]
    _check_enough(found[0][0])
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            _check_comparable(one, other)
    return tuple(map(Candidate, _unique([name for name, _ in plans]), found))


def _with_images(plan: Plan, folds: int | None) -> tuple[Plan, ...]:
    """A recipe with its images: one for each fold, or one in all."""
    if folds is None:
        return (replace(plan, splits=find_splits(plan)),)
    each = [
        plan_of(plan, [f"data.folds={folds}", f"data.fold={fold}"]) for fold in range(1, folds + 1)
    ]
    return tuple(replace(one, splits=find_splits(one)) for one in each)


def _name(plan: Plan) -> str:
    return printable(plan.source.rpartition("/")[2].removesuffix(".toml")) or "recipe"


def _unique(names: Sequence[str]) -> list[str]:
    """Names whose runs are in different folders: ``a``, ``a-2``.

    >>> _unique(["a", "b", "a"]), _unique(["a b", "A-B"])
    (['a', 'b', 'a-2'], ['a b', 'A-B-2'])
    """
    found: dict[str, str] = {}
    for name in names:
        number, unique = 1, name
        while (taken := folder_name(unique).casefold()) in found:
            number += 1
            unique = f"{name}-{number}"
        found[taken] = unique
    return [*found.values()]


def run_folder(folder: Path, name: str, seed: int, fold: int | None = None) -> Path:
    """The folder of a candidate's run with a seed, in the folder of a comparison.

    >>> str(run_folder(Path("comparison"), "head first", 0))
    'comparison/runs/head-first-seed-0'
    >>> run_folder(Path("comparison"), "head first", 0, fold=2).name
    'head-first-fold-2-seed-0'
    """
    part = "" if fold is None else f"-fold-{fold}"
    return folder / "runs" / f"{folder_name(name)}{part}-seed-{seed}"


def folder_name(name: str) -> str:
    """How the folders of a candidate's runs begin.

    >>> folder_name("my recipe"), len(folder_name(200 * "a"))
    ('my-recipe', 60)
    """
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 20]}{plain[-20:]}"


def _check_enough(plan: Plan) -> None:
    """Check that results can vary over images.

    Raises:
        RecipeError: there are too few.
    """
    if (images := len(find_splits(plan).eval)) < FEWEST:
        problem = f"recipes must evaluate {FEWEST} images or more, got {images}; add eval images"
        raise RecipeError([problem], plan.source)


def _check_comparable(one: Plan, other: Plan) -> None:
    """Check that two recipes tell the same classes apart, and are evaluated on the same images with
    the same labels.

    Raises:
        RecipeError: they are not.
    """
    classes = [{*find_splits(plan).classes} for plan in (one, other)]
    first, second = (_evaluated(plan) for plan in (one, other))
    if one.recipe.task != other.recipe.task:
        tasks = [f"{plan.recipe.task} in {plan.source}" for plan in (one, other)]
        raise RecipeError(
            [f"recipes must have the same task, got {' and '.join(tasks)}"], "compare"
        )
    if first != second:
        told = (
            "evaluate the same images with the same labels, got "
            f"{len(first)} in {one.source} and {len(second)} in {other.source}"
            f"{_difference(first, second)}"
        )
    elif not _same_groups(one, other):
        told = (
            "say in the same way which images belong together (data.group), got other groups in "
            f"{one.source} and {other.source}"
        )
    elif classes[0] != classes[1]:
        odd = printable(min(classes[0] ^ classes[1]))
        has = one if odd in classes[0] else other
        told = f"have the same classes, got {odd!r} in {has.source} only"
    else:
        return
    raise RecipeError([f"recipes must {told}; give them the same [data]"], "compare")


def _same_groups(one: Plan, other: Plan) -> bool:
    first, second = _groups_of(one), _groups_of(other)
    return None in (first, second) or first == second


def _groups_of(plan: Plan) -> dict[str, str] | None:
    """Eval image → its group; None where a recipe has no ``data.group``."""
    images = find_splits(plan).eval
    if images.groups is None:
        return None
    return dict(zip(images.names, images.groups, strict=True))


def _evaluated(plan: Plan) -> dict[str, str]:
    """Eval image → the name of its class, or of its classes, sorted: recipes may have them in
    another order.
    """
    splits, task = find_splits(plan), TASKS[plan.recipe.task]
    known = {label: task.names(label, splits.classes) for label in {*splits.eval.labels}}
    texts = {label: ", ".join(sorted(task.named(name))) for label, name in known.items()}
    pairs = zip(splits.eval.names, splits.eval.labels, strict=True)
    return {name: texts[label] or "of no class" for name, label in pairs}


def _difference(first: dict[str, str], second: dict[str, str]) -> str:
    name = next(name for name in (*first, *second) if first.get(name) != second.get(name))
    one, other = (printable(labels.get(name, "no eval image")) for labels in (first, second))
    return f": {printable(name)} is {one} in one and {other} in the other"
