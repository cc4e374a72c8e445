"""``[transforms]``: the table of a recipe about what happens to images."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from tlf.components import Augmentation, BatchAugmentation, Transform
from tlf.preprocessing import LARGEST_FIGURE, MOST_CHANNELS, SMALLEST_STD, Decoder, Depth
from tlf.recipe.tables import Kind

Side = Annotated[int, Field(ge=1, le=4096)]
"""Of an image in pixels."""
Figure = Annotated[float, Field(ge=-LARGEST_FIGURE, le=LARGEST_FIGURE)]
Spread = Annotated[float, Field(ge=SMALLEST_STD, le=LARGEST_FIGURE)]

Augmentations = tuple[Augmentation | BatchAugmentation, ...]
AUGMENTATIONS = Kind("tlf_augmentations", "augmentation", many=True)


@dataclass(frozen=True, kw_only=True)
class Transforms:
    """``[transforms]``: what happens to an image before the backbone sees it."""

    augment: Annotated[Augmentations, AUGMENTATIONS] = ()
    """How images are changed at random while they train, in this order."""
    prepare: Annotated[tuple[Transform, ...], Kind("tlf_transforms", "transform", many=True)] = ()
    """What is done to every image after it is resized, in this order: the same for train, eval and
    ``tlf predict``. Random crops are then cut from resized images."""
    size: Side | None = None
    """Side of the square input in pixels; None is the size of the backbone's weights."""
    resize: Side | None = None
    """Shorter side before the crop in pixels; None is that of the backbone's weights."""
    mean: Annotated[tuple[Figure, ...], Field(min_length=1, max_length=MOST_CHANNELS)] | None = None
    """What is subtracted from each channel, after values are scaled to 0 … 1; None is that of the
    backbone's weights."""
    std: Annotated[tuple[Spread, ...], Field(min_length=1, max_length=MOST_CHANNELS)] | None = None
    """What each channel is divided by then; None is that of the backbone's weights."""
    depth: Depth = 8
    """Bits of a value that images keep: 16 keeps what 16-bit images hold, from the file to the
    backbone."""
    decoder: Decoder = "pillow"
    """The library that decodes JPEG files. Pillow decodes all others."""
    reduced: bool = False
    """Whether JPEG files are decoded at 1/2, 1/4 or 1/8 of their size, where that is still twice
    what they are resized to: for very large images. Pixels differ."""
    crop_from: Literal["file", "resized"] = "file"
    """What random crops are cut from: the image in its file, or the resized image, which is faster
    and another experiment."""


USUAL = Transforms()
"""Images as the weights of the backbone have them, and not augmented."""
