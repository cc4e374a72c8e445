"""What a run relies on in an augmentation, of images or of batches."""

import torch
from torch import Tensor

from tlf.components import Augmentation, BatchAugmentation
from tlf.data.loading import shard
from tlf.runtime.seeds import seeded
from tlf.testing.contract import allowed, check_options, drawing_nothing, hold
from tlf.testing.second_process import check_second_process

HOOK = "tlf_augmentations"
DRAWS = 6
"""How often chance is tried."""
SEEDED = (
    "chance comes from torch's default generator alone, which the engine seeds: an image looks "
    "the same however many workers and processes there are"
)


def check_augmentation(augmentation: Augmentation | BatchAugmentation) -> None:
    """Check that an augmentation keeps its contract.

    Its options survive a recipe; it gives the same under the same seed, in a second process, too,
    and draws from nothing but torch's default generator.

    Of images: of a uint8 image (C, H, W) of any shape it makes another one of as many channels,
    and leaves the one that it was given as it was, which may be kept for the next epoch.

    Of batches: shapes and dtypes stay, class probabilities still sum to 1, image i is mixed with
    image B - 1 - i only, and a share of a batch is mixed as the whole batch is.

    Raises:
        AssertionError: it does not; says what is wrong and what the contract is.
    """
    check_options(augmentation, HOOK)
    if isinstance(augmentation, Augmentation):
        for height, width in ((40, 40), (33, 57), (61, 20)):
            _check_image(augmentation, _image(height, width))
    else:
        for count in (8, 5, 1):
            _check_batch(augmentation, *_batch(count))
    check_second_process(augmentation, HOOK)


def told(augmentation: Augmentation | BatchAugmentation) -> str:
    """What it makes of a few images."""
    found = []
    for draw in range(DRAWS):
        if isinstance(augmentation, Augmentation):
            with seeded(draw, "augment"):
                found.append(augmentation.augment(_image(33, 57), 32))
        else:
            found.extend(_mixed(augmentation, *_batch(5), draw))
    return str([(tuple(t.shape), t.double().sum().item()) for t in found])


def _check_image(augmentation: Augmentation, image: Tensor) -> None:
    shape, before = tuple(image.shape), image.clone()
    for draw in range(DRAWS):
        changed = _augmented(augmentation, image, draw)
        hold(
            torch.equal(image, before),
            augmentation,
            f"changes the image {shape} that it was given",
            "augment gives a new image; the old one may be kept for the next epoch",
        )
        again = _augmented(augmentation, image, draw)
        hold(
            changed.shape == again.shape and torch.equal(changed, again),
            augmentation,
            f"makes another image of {shape} under the same seed",
            SEEDED,
        )


def _augmented(augmentation: Augmentation, image: Tensor, draw: int) -> Tensor:
    shape = tuple(image.shape)
    with (
        drawing_nothing(augmentation, "augment", but_torch=True),
        seeded(draw, "augment"),
        allowed(augmentation, f"augment of an image {shape}"),
    ):
        changed = augmentation.augment(image, 32)
    hold(isinstance(changed, Tensor), augmentation, f"gives a {type(changed).__name__}", "a Tensor")
    hold(
        changed.dtype == torch.uint8 and changed.ndim == 3 and changed.shape[0] == shape[0],
        augmentation,
        f"makes {changed.dtype} {tuple(changed.shape)} of an image {shape}",
        "a uint8 image (C, H, W) becomes a uint8 image of as many channels; tlf crops and "
        "normalizes it",
    )
    return changed


def _check_batch(augmentation: BatchAugmentation, images: Tensor, targets: Tensor) -> None:
    count = len(images)
    for draw in range(DRAWS):
        mixed, blended = _mixed(augmentation, images, targets, draw)
        _check_mix(augmentation, (images, targets), (mixed, blended))
        again = _mixed(augmentation, images, targets, draw)[0]
        hold(torch.equal(mixed, again), augmentation, "mixes otherwise under one seed", SEEDED)
        for i in range((count + 1) // 2):
            strangers = [j for j in range(count) if j not in (i, count - 1 - i)]
            others = images.clone()
            others[strangers] += 1
            alone = _mixed(augmentation, others, targets, draw)[0]
            hold(
                torch.allclose(alone[i], mixed[i]),
                augmentation,
                f"lets others than image {count - 1 - i} of {count} into image {i}",
                "image i is mixed with image B - 1 - i only: such pairs share a process",
            )
        for share in (shard(range(count), part, 2) for part in range(2)):
            part = _mixed(augmentation, images[share], targets[share], draw)[0] if share else None
            hold(
                part is None or torch.allclose(part, mixed[share]),
                augmentation,
                f"mixes a share of {len(share)} otherwise than the whole batch of {count}",
                "what is drawn does not depend on how many images there are",
            )


def _check_mix(
    augmentation: BatchAugmentation, given: tuple[Tensor, Tensor], made: tuple[Tensor, Tensor]
) -> None:
    for name, old, new in zip(("images", "targets"), given, made, strict=True):
        hold(
            new.shape == old.shape and new.dtype == old.dtype,
            augmentation,
            f"makes {name} {new.dtype} {tuple(new.shape)} of {old.dtype} {tuple(old.shape)}",
            "shapes and dtypes stay what they are",
        )
    sums = made[1].sum(dim=1)
    hold(
        bool((made[1] >= 0).all()) and torch.allclose(sums, torch.ones_like(sums)),
        augmentation,
        f"gives class probabilities that sum to {sums.tolist()}",
        "targets (B, K) stay probabilities: from 0 on, with a sum of 1",
    )


def _mixed(
    augmentation: BatchAugmentation, images: Tensor, targets: Tensor, draw: int
) -> tuple[Tensor, Tensor]:
    with (
        drawing_nothing(augmentation, "mix", but_torch=True),
        seeded(draw, "mix"),
        allowed(augmentation, f"mix of {len(images)} images"),
    ):
        images, targets = augmentation.mix(images.clone(), targets.clone())
    return images, targets


def _image(height: int, width: int) -> Tensor:
    with seeded(0, "image"):
        return torch.randint(256, (3, height, width), dtype=torch.uint8)


def _batch(count: int) -> tuple[Tensor, Tensor]:
    with seeded(0, "batch"):
        images = torch.randn(count, 3, 12, 10)
    return images, torch.eye(4)[torch.arange(count) % 4]
