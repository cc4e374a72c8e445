"""Checks of what components return: its type, its shape and its values.

The engine checks each once, before anything trains. An error inside ``blame`` names the plugin.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from tlf.components import BuiltBackbone, Labelled, Split, Splits
from tlf.plugins.validation import kind_of
from tlf.preprocessing import Preprocessing
from tlf.runtime.strict_json import dumps

if TYPE_CHECKING:
    from torch import Tensor, nn

ROLES = frozenset({"backbone", "head"})
"""Names in an ``lr`` table that are no stages."""


def checked_splits(
    built: object, verb: str = "build", test: str | None = None, columns: Sequence[str] = ()
) -> Splits:
    """What a dataset builds. ``test`` and ``columns``: what it was asked for.

    Raises:
        ValueError: it is not ``Splits``, or a split lacks a name, a label or a value of an image.
    """
    if not isinstance(built, Splits):
        raise ValueError(f"{verb} must return Splits, got {kind_of(built)}")
    _check_classes("Splits.classes", built.classes)
    for name, split in (("train", built.train), ("eval", built.eval)):
        _check_split(f"Splits.{name}", split)
    if built.test is not None:
        _check_split("Splits.test", built.test)
    elif test is not None:
        raise ValueError(f"{verb} must return Splits with a test split, {test!r}, got none")
    for split in filter(None, (built.train, built.eval, built.test)):
        for column in columns:
            values = split.columns.get(column, ())
            if len(values) != len(split) or not all(isinstance(value, str) for value in values):
                raise ValueError(
                    f"{verb} must give each image a text in columns[{column!r}], got {values!r:.80}"
                )
    return built


def checked_labelled(found: object) -> Labelled:
    """What the method ``labelled`` of a dataset returns.

    Raises:
        ValueError: it is not ``Labelled``, or an image has no name, or no label of a class.
    """
    if not isinstance(found, Labelled):
        raise ValueError(f"labelled must return Labelled, got {kind_of(found)}")
    _check_classes("Labelled.classes", found.classes)
    _check_split("Labelled.images", found.images)
    _check_notes(found.notes)
    count = len(found.classes)
    for label in chain.from_iterable(map(_indices, found.images.labels)):
        if not hasattr(label, "__index__") or not 0 <= label < count:
            raise ValueError(
                f"Labelled.images.labels must be whole numbers from 0 to {count - 1}, the index of "
                f"a class, got {label!r:.100}"
            )
    return found


def _indices(label: object) -> tuple[Any, ...]:
    """The classes of an image that has one label, or any number."""
    return label if isinstance(label, tuple) else (label,)


def _check_classes(where: str, classes: object) -> None:
    if not isinstance(classes, tuple) or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{where} must be a tuple of strings, got {kind_of(classes)}")
    if doubled := [name for name, count in Counter(classes).items() if count > 1]:
        raise ValueError(f"{where} must have each name once, got {doubled[0]!r} twice")


def _check_notes(notes: object) -> None:
    if not isinstance(notes, tuple) or not all(isinstance(note, str) for note in notes):
        raise ValueError(f"notes must be a tuple of sentences, got {kind_of(notes)}")


def _check_split(where: str, split: object) -> None:
    if not isinstance(split, Split):
        raise ValueError(f"{where} must be a Split, got {kind_of(split)}")
    for field in ("names", "labels"):
        value = getattr(split, field)
        if not isinstance(value, Collection) or not hasattr(value, "__getitem__"):
            raise ValueError(f"{where}.{field} must be a sequence, got {kind_of(value)}")
    if not callable(split.read):
        raise ValueError(f"{where}.read must be a function, got {kind_of(split.read)}")
    if not len(split.names) and not len(split.labels):
        raise ValueError(f"{where} must hold images, got none")
    if len(split.names) != len(split.labels):
        raise ValueError(
            f"{where} must have a name and a label for each image, got {len(split.names)} names "
            f"and {len(split.labels)} labels"
        )
    wrong = next((name for name in split.names if not isinstance(name, str)), None)
    if wrong is not None:
        raise ValueError(f"{where}.names must be strings, got {kind_of(wrong)}")


def checked_backbone(built: object, verb: str = "build") -> BuiltBackbone:
    """What a backbone builds.

    Raises:
        ValueError: it is not a ``BuiltBackbone``, or one of its fields has another type.
    """
    from torch import nn

    if not isinstance(built, BuiltBackbone):
        raise ValueError(f"{verb} must return a BuiltBackbone, got {kind_of(built)}")
    if not isinstance(built.module, nn.Module):
        raise ValueError(f"module must be a torch.nn.Module, got {kind_of(built.module)}")
    if type(built.num_features) is not int or built.num_features < 1:
        raise ValueError(
            f"num_features must be a whole number, 1 or more, got {built.num_features!r}"
        )
    if not isinstance(built.preprocessing, Preprocessing):
        raise ValueError(
            f"preprocessing must be a Preprocessing, got {kind_of(built.preprocessing)}"
        )
    if not isinstance(built.classifier, str) or not built.classifier:
        raise ValueError(f"classifier must be a name, such as 'fc', got {built.classifier!r}")
    _check_stages(built.stages)
    _check_config(built.config)
    _check_notes(built.notes)
    return built


def _check_stages(stages: object) -> None:
    named = isinstance(stages, Mapping) and all(isinstance(name, str) and name for name in stages)
    if not named:
        raise ValueError(f"stages must be a mapping with names as its keys, got {kind_of(stages)}")
    for stage, names in cast("Mapping[str, object]", stages).items():
        if stage in ROLES:
            raise ValueError(f"a stage must not be called {stage!r}, which an lr table has already")
        # A generator can be read only once, and a string is a sequence of its letters.
        if not isinstance(names, Collection) or isinstance(names, str):
            raise ValueError(
                f"stage {stage!r} must be a tuple of names of parameters, got {kind_of(names)}"
            )
        wrong = next((name for name in names if not isinstance(name, str)), None)
        if wrong is not None:
            raise ValueError(f"stage {stage!r} must hold names, got {kind_of(wrong)}")


def _check_config(config: object) -> None:
    try:
        survives = isinstance(config, Mapping) and json.loads(dumps(config)) is not None
    except (TypeError, ValueError):
        survives = False
    if not survives:
        shown = " ".join(repr(config).split())
        raise ValueError(f"config must be a mapping of values of JSON, got {shown:.200}")


def checked_head(built: object) -> "nn.Module":
    """What a head builds.

    Raises:
        ValueError: it is not a module.
    """
    from torch import nn

    if not isinstance(built, nn.Module):
        raise ValueError(f"build must return a torch.nn.Module, got {kind_of(built)}")
    return built


def checked_features(features: object, images: int, width: int, *, pools: bool) -> "Tensor":
    """What a backbone makes of images: features, or maps or tokens for a head that pools.

    Raises:
        ValueError: they have another type or shape, or are not finite.
    """
    tensor = _floats("features", features)
    shape = tuple(tensor.shape)
    if not pools and shape != (images, width):
        raise ValueError(f"features must be ({images}, {width}), (B, F), got {shape}")
    axis = {4: 1, 3: 2}.get(len(shape))
    if pools and (axis is None or shape[0] != images or shape[axis] != width):
        raise ValueError(
            f"forward_features must give maps (B, F, H, W) or tokens (B, N, F), where B = {images} "
            f"and F = {width}, got {shape}"
        )
    if not tensor.isfinite().all():
        raise ValueError("features must be finite, got NaN or infinity")
    return tensor


def checked_image(changed: object, image: "Tensor", verb: str = "augment") -> "Tensor":
    """What an augmentation or a transform makes of an image.

    Raises:
        ValueError: it is not an image of the same type with as many channels.
    """
    got = _described(changed)
    if got is None or (changed.dtype, changed.shape[:-2]) != (image.dtype, image.shape[:-2]):  # type: ignore[attr-defined]
        raise ValueError(
            f"{verb} must return {image.dtype} of {image.shape[0]} channels (C, H, W), "
            f"got {got or kind_of(changed)}"
        )
    tensor = cast("Tensor", changed)
    if not tensor.numel():
        raise ValueError(f"{verb} must return an image with pixels, got {got}")
    return tensor


def checked_mix(
    mixed: object, images: "Tensor", targets: "Tensor", *, values: bool = False
) -> tuple["Tensor", "Tensor"]:
    """What a batch augmentation makes of images and class probabilities.

    Parameters:
        mixed: what it returned.
        images: the images that it was given.
        targets: the class probabilities that it was given.
        values: also look at the values, which waits for the device.

    Raises:
        ValueError: it is not two tensors of the same shapes and types; or images are not finite, or
            rows of targets are no probabilities.
    """
    pair = tuple(mixed) if isinstance(mixed, Sequence) else ()
    shapes = f"{tuple(images.shape)} and {tuple(targets.shape)}"
    if len(pair) != 2 or None in (got := [_described(part) for part in pair]):
        raise ValueError(
            f"mix must return images and targets, two tensors of the shapes {shapes}, "
            f"got {kind_of(mixed)}"
        )
    blended, probabilities = cast("tuple[Tensor, Tensor]", pair)
    if blended.shape != images.shape or probabilities.shape != targets.shape:
        raise ValueError(
            f"mix must return the shapes {shapes}, got {tuple(blended.shape)} and "
            f"{tuple(probabilities.shape)}"
        )
    if blended.dtype != images.dtype or probabilities.dtype != targets.dtype:
        raise ValueError(
            f"mix must return {images.dtype} and {targets.dtype}, got {got[0]} and {got[1]}"
        )
    if values and not blended.isfinite().all():
        raise ValueError("mix must return finite images, got NaN or infinity")
    if values and not _are_probabilities(probabilities):
        raise ValueError(
            "mix must return class probabilities, 0 or more, each row with a sum of 1, got "
            f"{probabilities.tolist()!s:.200}"
        )
    return blended, probabilities


def checked_logits(logits: object, count: int, classes: int) -> "Tensor":
    """What the file of an exporter gives for ``count`` images.

    Raises:
        ValueError: it is no tensor of logits (B, K).
    """
    if _described(logits) is None or tuple(cast("Tensor", logits).shape) != (count, classes):
        raise ValueError(
            f"load must return what gives logits, a tensor {(count, classes)} for {count} images, "
            f"got {_described(logits) or kind_of(logits)}"
        )
    return cast("Tensor", logits)


def _are_probabilities(rows: "Tensor") -> bool:
    sums = rows.sum(1)
    return bool((rows >= 0).all() and (sums - 1).abs().max() < 1e-3)


def _floats(what: str, value: object) -> "Tensor":
    if _described(value) is None:
        raise ValueError(f"{what} must be a torch.Tensor, got {kind_of(value)}")
    tensor = cast("Tensor", value)
    if not tensor.is_floating_point():
        raise ValueError(f"{what} must have a floating-point type, got {tensor.dtype}")
    return tensor


def _described(value: object) -> str | None:
    """The type and shape of a tensor; None for anything else."""
    from torch import Tensor

    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else None
