"""How images are prepared for a backbone. The record is stored with the weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

WHITE = 2**16 - 1
"""The largest value of 16 bits."""

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


Crop = Literal["center", "squash"]

Depth = Literal[8, 16]

Decoder = Literal["pillow", "torchvision", "torchcodec"]

LARGEST = 16_384
"""The longest side of an image, in pixels, that the metadata of a file may ask for."""

MOST_CHANNELS = 64
"""Channels of an image, at most."""

SMALLEST_STD, LARGEST_FIGURE = 1e-6, 1_000_000
"""Limits for mean and std in the metadata of a file. Beyond them float32 numbers overflow."""


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the tensor that a backbone expects. Comes from the backbone's weights.

    The shorter side is resized to ``resize`` pixels and the centre is cropped to ``size`` ×
    ``size`` (``crop = "center"``), or the whole image is squeezed into ``size`` × ``size``
    (``crop = "squash"``). Values are scaled to 0 … 1, then ``(value - mean) / std`` per channel.
    """

    size: int = 224
    """Side of the square input, in pixels."""
    resize: int = 256
    """Shorter side before the crop, in pixels."""
    crop: Crop = "center"
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """One figure per channel: three for RGB, one for grey."""
    white: int = WHITE
    """The value of a 16-bit image that is white; larger ones are, too. Other images have a white of
    their own."""
    depth: Depth = 8
    """Bits of a value: 16 keeps what 16-bit images hold, scaled so that ``white`` becomes 65535."""
    decoder: Decoder = "pillow"
    """The library that decodes JPEG files. Pillow decodes all others."""
    reduced: bool = False
    """Whether JPEG files are decoded at 1/2, 1/4 or 1/8 of their size, where that is still twice
    what they are resized to."""
    prepare: tuple[Mapping[str, Any], ...] = ()
    """What plugins do to the resized image, in this order: the kind and the options of each."""

    @property
    def channels(self) -> int:
        """C: how many channels the backbone takes."""
        return len(self.mean)

    @property
    def largest(self) -> int:
        """The largest value of an image before it is normalized."""
        return 255 if self.depth == 8 else WHITE

    def sized(self, size: int | None = None, resize: int | None = None) -> "Preprocessing":
        """The same at another size; ``size`` alone keeps the ratio of crop and resized image.

        >>> Preprocessing().sized(112).resize
        128
        """
        side = size or self.size
        return replace(self, size=side, resize=resize or round(self.resize * side / self.size))


def read_preprocessing(record: Mapping[str, Any]) -> Preprocessing:
    """The ``Preprocessing`` in the metadata of a file, checked: anybody may have written it.

    >>> read_preprocessing({"size": 64, "mean": [0.5], "std": [0.2]}).size
    64
    >>> read_preprocessing({"size": 0})
    Traceback (most recent call last):
    ValueError: size must be a whole number from 1 to 16384, got 0

    Raises:
        TypeError: a key is unknown, or the record is no table.
        ValueError: a value cannot be used; names it.
    """
    if not isinstance(record, Mapping):
        raise TypeError(f"it must be a table, got {record!r:.60}")
    values: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
    found = Preprocessing(**values)
    _check_sides(found)
    for name, of in (("crop", Crop), ("interpolation", Interpolation), ("decoder", Decoder)):
        choices = get_args(of)
        if (choice := getattr(found, name)) not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {choice!r:.60}")
    _check_values(found)
    for record in found.prepare:
        if not isinstance(record, Mapping) or not isinstance(record.get("kind"), str):
            raise ValueError(f"prepare must hold tables with a kind, got {record!r:.60}")
    _check_figures("mean", found.mean)
    _check_figures("std", found.std)
    if len(found.mean) != len(found.std) or min(found.std) < SMALLEST_STD:
        raise ValueError(
            f"std must hold a number of at least {SMALLEST_STD} for each of mean, got {found.std}"
        )
    return found


def _check_sides(found: Preprocessing) -> None:
    for name, side in (("size", found.size), ("resize", found.resize)):
        if type(side) is not int or not 1 <= side <= LARGEST:
            raise ValueError(f"{name} must be a whole number from 1 to {LARGEST}, got {side!r:.60}")
    if found.resize < found.size:
        raise ValueError(f"resize must be at least the size, {found.size}, got {found.resize}")


def _check_values(found: Preprocessing) -> None:
    if type(found.reduced) is not bool:
        raise ValueError(f"reduced must be true or false, got {found.reduced!r:.60}")
    if type(found.depth) is not int or found.depth not in get_args(Depth):
        raise ValueError(f"depth must be 8 or 16, got {found.depth!r:.60}")
    if type(found.white) is not int or not 1 <= found.white <= WHITE:
        raise ValueError(f"white must be a whole number from 1 to {WHITE}, got {found.white!r:.60}")


def _check_figures(name: str, figures: object) -> None:
    if not isinstance(figures, tuple) or not 1 <= len(figures) <= MOST_CHANNELS:
        raise ValueError(f"{name} must hold 1 to {MOST_CHANNELS} numbers, got {figures!r:.60}")
    if not all(type(n) in (int, float) and abs(n) <= LARGEST_FIGURE for n in figures):
        raise ValueError(f"{name} must hold numbers up to {LARGEST_FIGURE:,}, got {figures!r:.60}")
