"""Augmentations of images and of batches. Random numbers come from torch's default generator."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tlf.data.transforms import mirrored
from tlf.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import Tensor

Interpolation = Literal["nearest", "bilinear"]


@dataclass(frozen=True)
class Unchanged:
    """Images are not changed."""

    changes: ClassVar[bool] = False
    fixed: ClassVar[bool] = True
    depths: ClassVar[tuple[int, ...]] = (8, 16)

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """The image (C, H, W) itself."""
        return image


@dataclass(frozen=True)
class CropFlip:
    """A random crop of the image, resized to the input size, and mirrored at random.

    Source: Szegedy et al. 2014, arXiv:1409.4842.
    """

    crops: ClassVar[bool] = True
    depths: ClassVar[tuple[int, ...]] = (8, 16)
    scale: tuple[float, float] = (0.08, 1.0)
    """Smallest and largest area of the crop, as fractions of the image's area."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Smallest and largest aspect ratio of the crop: its width divided by its height."""
    flip: float = 0.5
    """Probability of mirroring left and right."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(
                "scale must be two fractions above 0 and up to 1, the smaller first, "
                f"got {self.scale}"
            )
        if not 0 < self.ratio[0] <= self.ratio[1] < math.inf:
            raise ValueError(
                f"ratio must be two finite numbers above 0, the smaller first, got {self.ratio}"
            )
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip must be a probability from 0 to 1, got {self.flip}")

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """Image (C, H, W) → crop of it (C, size, size)."""
        import torch
        from torchvision.transforms import RandomResizedCrop
        from torchvision.transforms.v2 import functional

        # To draw the box alone is faster than to build a transform for each image.
        box = RandomResizedCrop.get_params(image, [*self.scale], [*self.ratio])
        crop: Tensor = functional.resized_crop(image, *box, [size, size], antialias=True)
        if torch.rand((), device="cpu") < self.flip:
            crop = mirrored(crop)
        return crop


@dataclass(frozen=True)
class TrivialAugment:
    """One random change of colour or shape, of random strength. There is nothing to tune.

    Source: Müller & Hutter 2021, arXiv:2103.10158, with the wide set of changes.
    """

    interpolation: Interpolation = "nearest"
    """How pixels are interpolated when the image is rotated, shifted or sheared."""

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """Image (C, H, W) → changed image (C, H, W).

        Raises:
            ValueError: the image is neither grey nor RGB.
        """
        from torchvision.transforms import v2

        _check_colours(image)
        interpolation = v2.InterpolationMode(self.interpolation)
        changed: Tensor = v2.TrivialAugmentWide(interpolation=interpolation)(image)
        return changed


@dataclass(frozen=True)
class RandAugment:
    """A few random changes of colour or shape in a row, all of the same strength.

    Source: Cubuk et al. 2019, arXiv:1909.13719.
    """

    ops: int = 2
    """How many changes."""
    magnitude: int = 9
    """Their strength, from 0 to 30."""
    interpolation: Interpolation = "nearest"
    """How pixels are interpolated when the image is rotated, shifted or sheared."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.ops < 1:
            raise ValueError(f"ops must be 1 or more, got {self.ops}")
        if not 0 <= self.magnitude <= 30:
            raise ValueError(f"magnitude must be from 0 to 30, got {self.magnitude}")

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """Image (C, H, W) → changed image (C, H, W).

        Raises:
            ValueError: the image is neither grey nor RGB.
        """
        from torchvision.transforms import v2

        _check_colours(image)
        interpolation = v2.InterpolationMode(self.interpolation)
        change = v2.RandAugment(self.ops, self.magnitude, interpolation=interpolation)
        changed: Tensor = change(image)
        return changed


@dataclass(frozen=True)
class Mixup:
    """Every image and its label are blended with another image of the batch and its label.

    The weight ``lam`` of the image itself is drawn once per batch, from Beta(alpha, alpha).

    Source: Zhang et al. 2017, arXiv:1710.09412.
    """

    alpha: float = 0.2
    """Small: most batches are hardly blended. 1: every weight is equally likely."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_alpha(self.alpha)

    def mix(self, images: "Tensor", targets: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Images (B, C, H, W) and class probabilities (B, K) → both, blended."""
        lam = _draw_lam(self.alpha)
        return _blend(images, lam), _blend(targets, lam)


@dataclass(frozen=True)
class Cutmix:
    """A box of every image is replaced by the same box of another one; labels are blended.

    The box is drawn once per batch: its area from Beta(alpha, alpha), its centre anywhere. A label
    weighs as much as the area that its image covers.

    Source: Yun et al. 2019, arXiv:1905.04899.
    """

    alpha: float = 1.0
    """Small: most boxes are tiny or almost the whole image. 1: every area is equally likely."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_alpha(self.alpha)

    def mix(self, images: "Tensor", targets: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Images (B, C, H, W) with a box replaced, and class probabilities (B, K), blended."""
        height, width = images.shape[-2:]
        side = math.sqrt(1 - _draw_lam(self.alpha))
        top, bottom = _span(height, int(height * side))
        left, right = _span(width, int(width * side))
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = images[..., top:bottom, left:right].flip(0)
        lam = 1 - (bottom - top) * (right - left) / (height * width)
        return mixed, _blend(targets, lam)


def _blend(values: "Tensor", lam: float) -> "Tensor":
    """``lam`` of row i and ``1 - lam`` of its partner, row B - 1 - i.

    >>> import torch
    >>> _blend(torch.tensor([0.0, 1.0]), 0.75)
    tensor([0.2500, 0.7500])
    """
    return values * lam + values.flip(0) * (1 - lam)


def _draw_lam(alpha: float) -> float:
    import torch

    # The CPU, because another default device has a generator of its own.
    both = torch.full((2,), alpha, dtype=torch.float64, device="cpu")
    return float(torch.distributions.Dirichlet(both).sample()[0])


def _span(length: int, side: int) -> tuple[int, int]:
    """Draw where a side of the box lies: its start and end, clipped to ``length`` pixels."""
    import torch

    centre = int(torch.randint(length, (), device="cpu"))
    return max(0, centre - side // 2), min(length, centre + (side + 1) // 2)


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha must be finite and above 0, got {alpha}")


def _check_colours(image: "Tensor") -> None:
    if image.shape[0] not in (1, 3):
        raise ValueError(
            f"images must be grey or RGB to change colours, got {image.shape[0]} channels; "
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
