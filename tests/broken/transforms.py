"""Transforms."""

from dataclasses import dataclass, field

import torch

from broken.rules import Rules, again

RULES = Rules()


@dataclass(frozen=True)
class Whole:
    """It cuts a margin, and inverts."""

    margin: int = 2

    def transform(self, image):
        return 255 - image[:, self.margin : -self.margin, self.margin : -self.margin]


@RULES.broken("fails in transform of an image (3, 40, 40): ValueError: transform must retu")
@dataclass(frozen=True)
class Floats:
    def transform(self, image):
        return image / 255


@RULES.broken("fails in transform of an image (1, 61, 20): ValueError: transform must retu")
@dataclass(frozen=True)
class Colours:
    def transform(self, image):
        return image.expand(3, -1, -1)


@RULES.broken("changes the image (3, 40, 40) that it was given")
@dataclass(frozen=True)
class InPlace:
    def transform(self, image):
        return image.clamp_(10, 200)


@RULES.broken("draws random numbers (torch) in transform")
@dataclass(frozen=True)
class Noisy:
    def transform(self, image):
        return image | torch.randint_like(image, 2)


@RULES.broken("makes another image of (3, 40, 40) each time")
@dataclass(frozen=True)
class Counting:
    def transform(self, image):
        return image + again("transform")


@RULES.broken("changes its own options")
@dataclass(frozen=True)
class Learning:
    seen: list[int] = field(default_factory=list)

    def transform(self, image):
        self.seen.append(len(image))
        return image.clone()
