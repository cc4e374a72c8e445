"""Augmentations of images and of batches. All chance comes from torch's default generator."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tlf.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import Tensor

Filling = Literal["nearest", "bilinear"]


@dataclass(frozen=True)
class Unchanged:
    """Images stay as they are."""

    fixed: ClassVar[bool] = True

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """The image (C, H, W) itself."""
        return image


@dataclass(frozen=True)
class CropFlip:
    """A random part of the image, resized to the input size, and mirrored at random.

    Source: Szegedy et al. 2014, arXiv:1409.4842.
    """

    scale: tuple[float, float] = (0.08, 1.0)
    """Smallest and largest area of the part, as fractions of the image's."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Smallest and largest width of the part, as multiples of its height."""
    flip: float = 0.5
    """Chance to mirror left and right."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(
                f"scale is two fractions above 0 and up to 1, the smaller first, not {self.scale}"
            )
        if not 0 < self.ratio[0] <= self.ratio[1] < math.inf:
            raise ValueError(f"ratio is two numbers above 0, the smaller first, not {self.ratio}")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip is a probability from 0 to 1, not {self.flip}")

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """Image (C, H, W) → part of it (C, size, size)."""
        import torch
        from torchvision.transforms import RandomResizedCrop
        from torchvision.transforms.v2 import functional

        # Drawing a box by itself spares building a transform for each image.
        box = RandomResizedCrop.get_params(image, [*self.scale], [*self.ratio])
        part: Tensor = functional.resized_crop(image, *box, [size, size], antialias=True)
        if torch.rand((), device="cpu") < self.flip:
            part = functional.horizontal_flip(part)
        return part


@dataclass(frozen=True)
class TrivialAugment:
    """One random change of colour or shape, of random strength. Nothing to tune.

    Source: Müller & Hutter 2021, arXiv:2103.10158; the wide set of changes.
    """

    interpolation: Filling = "nearest"
    """How pixels are found when the image is turned, moved or sheared."""

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """Image (C, H, W) → changed image (C, H, W).

        Raises:
            ValueError: the image is neither grey nor RGB.
        """
        from torchvision.transforms import v2

        _check_colours(image)
        filling = v2.InterpolationMode(self.interpolation)
        changed: Tensor = v2.TrivialAugmentWide(interpolation=filling)(image)
        return changed


@dataclass(frozen=True)
class RandAugment:
    """A few random changes of colour or shape, one after another, all of the same strength.

    Source: Cubuk et al. 2019, arXiv:1909.13719.
    """

    ops: int = 2
    """How many changes."""
    magnitude: int = 9
    """Their strength, from 0 to 30."""
    interpolation: Filling = "nearest"
    """How pixels are found when the image is turned, moved or sheared."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.ops < 1:
            raise ValueError(f"ops is a whole number from 1 on, not {self.ops}")
        if not 0 <= self.magnitude <= 30:
            raise ValueError(f"magnitude is a whole number from 0 to 30, not {self.magnitude}")

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """Image (C, H, W) → changed image (C, H, W).

        Raises:
            ValueError: the image is neither grey nor RGB.
        """
        from torchvision.transforms import v2

        _check_colours(image)
        filling = v2.InterpolationMode(self.interpolation)
        changed: Tensor = v2.RandAugment(self.ops, self.magnitude, interpolation=filling)(image)
        return changed


@dataclass(frozen=True)
class Mixup:
    """Every image is blended with another one of its batch, and its label likewise.

    The share ``lam`` of the image itself is drawn once per batch, from Beta(alpha, alpha).

    Source: Zhang et al. 2017, arXiv:1710.09412.
    """

    alpha: float = 0.2
    """Small: most batches are hardly blended. 1: every share is as likely."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_alpha(self.alpha)

    def mix(self, images: "Tensor", targets: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Images (B, C, H, W) and class probabilities (B, K) → both, blended."""
        lam = _draw_share(self.alpha)
        return _blend(images, lam), _blend(targets, lam)


@dataclass(frozen=True)
class Cutmix:
    """A box of every image is replaced by that of another one of its batch; labels are blended.

    The box is drawn once per batch: its area from Beta(alpha, alpha), its centre anywhere. Labels
    are blended by the area that the box covers inside the image.

    Source: Yun et al. 2019, arXiv:1905.04899.
    """

    alpha: float = 1.0
    """Small: most boxes are tiny or almost the whole image. 1: every area is as likely."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_alpha(self.alpha)

    def mix(self, images: "Tensor", targets: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Images (B, C, H, W) → with a box replaced; class probabilities (B, K) → blended."""
        height, width = images.shape[-2:]
        cut = math.sqrt(1 - _draw_share(self.alpha))
        top, bottom = _span(height, int(height * cut))
        left, right = _span(width, int(width * cut))
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = images[..., top:bottom, left:right].flip(0)
        kept = 1 - (bottom - top) * (right - left) / (height * width)
        return mixed, _blend(targets, kept)


def _blend(values: "Tensor", lam: float) -> "Tensor":
    """``lam`` of each row and the rest of its partner, the row as far from the other end.

    >>> import torch
    >>> _blend(torch.tensor([0.0, 1.0]), 0.75)
    tensor([0.2500, 0.7500])
    """
    return values * lam + values.flip(0) * (1 - lam)


def _draw_share(alpha: float) -> float:
    import torch

    # Named, because a default device other than the CPU has another generator.
    both = torch.full((2,), alpha, dtype=torch.float64, device="cpu")
    return float(torch.distributions.Dirichlet(both).sample()[0])


def _span(length: int, cut: int) -> tuple[int, int]:
    """Draw the centre of a piece of ``cut`` pixels; its ends, less what juts out of the image."""
    import torch

    centre = int(torch.randint(length, (), device="cpu"))
    return max(0, centre - cut // 2), min(length, centre + (cut + 1) // 2)


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha is a number above 0, not {alpha}")


def _check_colours(image: "Tensor") -> None:
    if image.shape[0] not in (1, 3):
        raise ValueError(
            f"changes of colour take grey or RGB images, not {image.shape[0]} channels; "
            'write augment = "crop-flip"'
        )


@hookimpl
def tlf_augmentations() -> dict[str, type]:
    """Offer the augmentations."""
    return {
        "none": Unchanged,
        "crop-flip": CropFlip,
        "trivial-augment": TrivialAugment,
        "rand-augment": RandAugment,
        "mixup": Mixup,
        "cutmix": Cutmix,
    }
