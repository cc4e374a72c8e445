"""The augmentations of a phase, what its random crops are cut from, and whether they fit the depth
and the decoding of images.
"""

from collections.abc import Iterable

from tlf.catalogue import Catalogue
from tlf.components import Augmentation, BatchAugmentation
from tlf.errors import RecipeError
from tlf.recipe.schema import Phase, Recipe


def augmentations_of(recipe: Recipe, phase: Phase) -> tuple[Augmentation | BatchAugmentation, ...]:
    """The augmentations of a phase, its own or the recipe's, that change images."""
    every = recipe.transforms.augment if phase.augment is None else phase.augment
    return tuple(augmentation for augmentation in every if getattr(augmentation, "changes", True))


def is_random(augmentations: Iterable[Augmentation | BatchAugmentation]) -> bool:
    """Whether augmentations of single images change an image from epoch to epoch."""
    each = (a for a in augmentations if isinstance(a, Augmentation))
    return any(not getattr(augmentation, "fixed", False) for augmentation in each)


def crops_files(recipe: Recipe, phase: Phase) -> bool:
    """Whether a phase cuts crops from image files, so that it needs images at full resolution."""
    first = _crops(recipe, phase)[:1]
    files = recipe.transforms.crop_from == "file" and not recipe.transforms.prepare
    return files and first == [True]


def used_pixels(recipe: Recipe) -> frozenset[str]:
    """Which images the phases use: ``train`` and ``eval`` are resized, ``full`` are those of the
    train split at full resolution.
    """
    train = {"full" if crops_files(recipe, phase) else "train" for phase in recipe.phases}
    return frozenset({*train, "eval"})


def crop_line(recipe: Recipe) -> str | None:
    """What random crops are cut from, for a person; None where there are none."""
    sources = {p.name: _source(recipe, p) for p in recipe.phases if any(_crops(recipe, p))}
    if len(set(sources.values())) > 1:
        return "; ".join(f"those of phase {name} {source}" for name, source in sources.items())
    return next(iter(sources.values()), None)


def check_depth(recipe: Recipe, catalogue: Catalogue, source: str) -> None:
    """Check that whatever changes images takes those of the recipe's depth.

    Raises:
        RecipeError: names every augmentation and transform that takes 8 bits alone.
    """
    depth, transforms = recipe.transforms.depth, recipe.transforms
    parts: dict[str, Iterable[object]] = {
        "transforms.augment": transforms.augment,
        "transforms.prepare": transforms.prepare,
        **{f"phases.{phase.name}.augment": phase.augment or () for phase in recipe.phases},
    }
    problems = [
        f"{place}: {catalogue.offer(part).kind!r} takes images of 8 bits alone; write crop-flip or "
        "none instead, or transforms.depth = 8"
        for place, components in parts.items()
        for part in components
        # Whole batches are mixed after they are normalized.
        if not isinstance(part, BatchAugmentation) and depth not in getattr(part, "depths", (8,))
    ]
    if problems:
        raise RecipeError(problems, source)


def check_decoding(recipe: Recipe, source: str) -> None:
    """Check that images can be decoded as a recipe says.

    Raises:
        RecipeError: names what does not go together.
    """
    transforms, problems = recipe.transforms, []
    if transforms.reduced and transforms.decoder != "pillow":
        problems.append(
            f"transforms.reduced: Pillow alone decodes at a reduced scale, got decoder = "
            f"{transforms.decoder!r}; leave one of them out"
        )
    if transforms.reduced and "full" in used_pixels(recipe):
        problems.append(
            "transforms.reduced: random crops must not be cut from the files; write "
            'transforms.crop_from = "resized"'
        )
    if problems:
        raise RecipeError(problems, source)


def _crops(recipe: Recipe, phase: Phase) -> list[bool]:
    """Of each augmentation of single images: whether it crops."""
    chosen = augmentations_of(recipe, phase)
    return [bool(getattr(a, "crops", False)) for a in chosen if isinstance(a, Augmentation)]


def _source(recipe: Recipe, phase: Phase) -> str:
    if crops_files(recipe, phase):
        return "are cut from the image files, at full resolution"
    if recipe.transforms.prepare:
        return "are cut from resized images, as these are what transforms prepare"
    if recipe.transforms.crop_from == "file":
        return "are cut from resized images, as another augmentation comes first"
    return "are cut from resized images"
