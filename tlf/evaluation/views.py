"""Several views of each image, whose probabilities are averaged: test-time augmentation.

The views are the same for every image and every time. The first is what the model sees anyway.
"""

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from tlf.data.transforms import center_crop, mirrored
from tlf.errors import TlfError

MOST = 10
"""The most views of an image."""

_PLACES = ((0.5, 0.5), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0))
"""Where a crop lies in the resized image, down and across: the centre, then the corners."""

_ORDER = (*((place, turned) for place in _PLACES[:1] for turned in (False, True)),
          *((place, turned) for turned in (False, True) for place in _PLACES[1:]))  # fmt: skip
"""Centre, centre mirrored, top left, bottom right, top right, bottom left, and these mirrored."""


@dataclass(frozen=True)
class Views:
    """How many views of each image are taken."""

    count: int

    @property
    def title(self) -> str:
        """What they are called.

        >>> Views(2).title, Views(6).title
        ('flip', 'views=6')
        """
        return "flip" if self.count == 2 else f"views={self.count}"

    def cut(self, image: Tensor, size: int) -> Tensor:
        """A resized image (C, H, W), uint8 or uint16 → its views (V, C, S, S)."""
        height, width = image.shape[-2:]
        if (
            height < size or width < size
        ):  # black is added around it: no crop has a place of its own
            image = center_crop(image, max(size, height, width))
        shown = []
        for place, turned in _ORDER[: self.count]:
            crop = _crop(image, size, place)
            shown.append(mirrored(crop) if turned else crop)
        return torch.stack(shown)


ONE = Views(1)
"""The image as the model sees it, and no other view."""


def read_views(text: str | None) -> Views:
    """The views that ``--tta`` names.

    >>> read_views("flip"), read_views("views=6"), read_views(None)
    (Views(count=2), Views(count=6), Views(count=1))

    Raises:
        TlfError: it names none.
    """
    if text is None:
        return ONE
    if text == "flip":
        return Views(2)
    found = re.fullmatch(r"views=(\d{1,4})", text)
    if found is None or not 2 <= int(found[1]) <= MOST:
        raise TlfError(
            f"tta must be flip, or views=K with 2 to {MOST} views, got {text!r:.60}; write flip"
        )
    return Views(int(found[1]))


def _crop(image: Tensor, size: int, place: tuple[float, float]) -> Tensor:
    if place == _PLACES[0]:
        return center_crop(image, size)
    top, left = (round(p * (side - size)) for p, side in zip(place, image.shape[-2:], strict=True))
    return image[..., top : top + size, left : left + size]
