"""A third party's augmentations answer for what they do while a run trains: what breaks in one
names it, and what one gives is what the engine can go on with.

tlf's own are left as they are: a fault of theirs is tlf's, and keeps its traceback.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlf.blaming import blame
from tlf.components import Augmentation, BatchAugmentation, Offer

if TYPE_CHECKING:
    from torch import Tensor


def answerable(
    augmentation: Augmentation | BatchAugmentation, offer: Offer
) -> Augmentation | BatchAugmentation:
    """The same augmentation, which names itself if it breaks."""
    if offer.plugin.name == "tlf":
        return augmentation
    if isinstance(augmentation, Augmentation):
        return _Picture(augmentation, offer)
    return _Batch(augmentation, offer)


def original(augmentation: Augmentation | BatchAugmentation) -> Augmentation | BatchAugmentation:
    """The component as the recipe has it."""
    known = isinstance(augmentation, _Picture | _Batch)
    return augmentation.augmentation if known else augmentation  # type: ignore[union-attr]


@dataclass(frozen=True)
class _Picture:
    augmentation: Augmentation
    offer: Offer

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """A uint8 picture (C, H, W) → a uint8 picture of as many channels."""
        with blame(self.offer, "augment"):
            changed = self.augmentation.augment(image, size)
            if changed.dtype != image.dtype or changed.shape[:-2] != image.shape[:-2]:
                raise ValueError(
                    f"augment gave {changed.dtype} {tuple(changed.shape)}; a picture stays "
                    f"{image.dtype} of {image.shape[0]} channels (C, H, W)"
                )
            return changed


@dataclass(frozen=True)
class _Batch:
    augmentation: BatchAugmentation
    offer: Offer

    def mix(self, images: "Tensor", targets: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Images (B, C, H, W) and class probabilities (B, K) → the same shapes, mixed."""
        with blame(self.offer, "mix"):
            mixed, blended = self.augmentation.mix(images, targets)
            if mixed.shape != images.shape or blended.shape != targets.shape:
                raise ValueError(
                    f"mix gave {tuple(mixed.shape)} and {tuple(blended.shape)}; shapes stay "
                    f"{tuple(images.shape)} and {tuple(targets.shape)}"
                )
            return mixed, blended
