"""How images are prepared for a backbone. The record is stored with the weights."""

from dataclasses import dataclass, replace
from typing import Literal

WHITE = 2**16 - 1
"""The largest value of 16 bits."""

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


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
    crop: Literal["center", "squash"] = "center"
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """One figure per channel: three for RGB, one for grey."""
    white: int = WHITE
    """The value of a 16-bit grey image that is white; larger ones are, too. Other images have a
    white of their own."""

    @property
    def channels(self) -> int:
        """C: how many channels the backbone takes."""
        return len(self.mean)

    def sized(self, size: int | None = None, resize: int | None = None) -> "Preprocessing":
        """The same at another size; ``size`` alone keeps the ratio of crop and resized image.

        >>> Preprocessing().sized(112).resize
        128
        """
        side = size or self.size
        return replace(self, size=side, resize=resize or round(self.resize * side / self.size))
