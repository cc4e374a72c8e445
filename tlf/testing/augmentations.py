"""The contracts of an augmentation, of images or of batches, and of a transform."""

import torch
from torch import Tensor

from tlf.components import Augmentation, BatchAugmentation, Transform
from tlf.data.loading import shard
from tlf.plugins.returned import checked_image
from tlf.runtime.seeds import seeded
from tlf.testing.contract import check_options, no_random_numbers, raising_only, require
from tlf.testing.second_process import check_second_process

HOOK = "tlf_augmentations"
DRAWS = 6
"""How many seeds are tried."""
SEEDED = (
    "random numbers come from torch's default generator alone, which tlf seeds: an image looks "
    "the same with any number of workers and processes"
)


def check_augmentation(augmentation: Augmentation | BatchAugmentation) -> None:
    """Check that an augmentation keeps its contract.

    Its options survive a recipe. It gives the same result under the same seed, also in a second
    process, and draws from torch's default generator only.

    Of images: from a uint8 image (C, H, W) of any shape it makes a new one with as many channels.
    It does not change the image that it was given, which may be cached for the next epoch. Where it
    says ``crops = True``, the new one is ``size`` × ``size``, and the same wherever the image lies
    in memory.

    Of batches: shapes and dtypes stay, class probabilities still sum to 1, image i is mixed with
    image B - 1 - i only, and a shard of a batch is mixed as in the whole batch.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(augmentation, HOOK)
    if isinstance(augmentation, Augmentation):
        for height, width in ((40, 40), (33, 57), (61, 20)):
            _check_image(augmentation, _image(height, width))
        _check_crops(augmentation)
    else:
        for count in (8, 5, 1):
            _check_batch(augmentation, *_batch(count))
    check_second_process(augmentation, HOOK, recipe)


def check_transform(transform: Transform) -> None:
    """Check that a transform keeps its contract.

    Its options survive a recipe. From a uint8 image (C, H, W), of one or three channels and of any
    shape, it makes a uint8 image of as many channels: the same each time, also in a second process.
    It draws no random numbers, and does not change the image that it was given.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(transform, "tlf_transforms")
    for shape in ((3, 40, 40), (3, 33, 57), (1, 61, 20)):
        with seeded(0, "image"):
            image = torch.randint(256, shape, dtype=torch.uint8)
        before = image.clone()
        first, second = (_transformed(transform, image) for _ in range(2))
        require(
            torch.equal(image, before),
            transform,
            f"changes the image {shape} that it was given",
            "transform gives a new image; the old one may be cached",
        )
        require(
            torch.equal(first, second),
            transform,
            f"makes another image of {shape} each time",
            "train, eval and tlf predict prepare an image alike; an augmentation may be random",
        )
    check_second_process(transform, "tlf_transforms", recipe)


def _transformed(transform: Transform, image: Tensor) -> Tensor:
    shape = tuple(image.shape)
    with (
        no_random_numbers(transform, "transform"),
        raising_only(transform, f"transform of an image {shape}"),
    ):
        return checked_image(transform.transform(image), image, "transform")


def describe(augmentation: Augmentation | BatchAugmentation | Transform) -> str:
    """What it makes of a few images."""
    found = []
    for draw in range(DRAWS):
        if isinstance(augmentation, Augmentation):
            with seeded(draw, "augment"):
                found.append(augmentation.augment(_image(33, 57), 32))
        elif isinstance(augmentation, BatchAugmentation):
            found.extend(_mixed(augmentation, *_batch(5), draw))
        else:
            found.append(augmentation.transform(_image(33, 57)))
    return str([(tuple(t.shape), t.double().sum().item()) for t in found])


def _check_image(augmentation: Augmentation, image: Tensor) -> None:
    shape, before = tuple(image.shape), image.clone()
    for draw in range(DRAWS):
        changed = _augmented(augmentation, image, draw)
        require(
            torch.equal(image, before),
            augmentation,
            f"changes the image {shape} that it was given",
            "augment gives a new image; the old one may be cached for the next epoch",
        )
        again = _augmented(augmentation, image, draw)
        require(
            changed.shape == again.shape and torch.equal(changed, again),
            augmentation,
            f"makes a different image of {shape} under the same seed",
            SEEDED,
        )


def _check_crops(augmentation: Augmentation) -> None:
    """Check what ``crops`` promises, also of images that are much larger than the result."""
    crops = getattr(augmentation, "crops", False)
    require(isinstance(crops, bool), augmentation, f"says crops = {crops!r}", "True or False")
    for height, width in ((61, 20), (300, 420)) if crops else ():
        image = _image(height, width)
        pixels_apart = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
        for draw in range(DRAWS):
            changed = _augmented(augmentation, image, draw)
            require(
                changed.shape[-2:] == (32, 32),
                augmentation,
                f"makes {tuple(changed.shape)} of an image {tuple(image.shape)} for size 32",
                "with crops = True it gets images at full resolution, and gives size × size",
            )
            require(
                torch.equal(changed, _augmented(augmentation, pixels_apart, draw)),
                augmentation,
                "makes a different image where the channels of a pixel are neighbours in memory",
                "the result does not depend on the strides; an image at full resolution has these",
            )


def _augmented(augmentation: Augmentation, image: Tensor, draw: int) -> Tensor:
    shape = tuple(image.shape)
    with (
        no_random_numbers(augmentation, "augment", but_torch=True),
        seeded(draw, "augment"),
        raising_only(augmentation, f"augment of an image {shape}"),
    ):
        changed = augmentation.augment(image, 32)
    require(
        isinstance(changed, Tensor), augmentation, f"gives a {type(changed).__name__}", "a Tensor"
    )
    require(
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
        require(
            torch.equal(mixed, again), augmentation, "mixes differently under the same seed", SEEDED
        )
        for i in range((count + 1) // 2):
            unrelated = [j for j in range(count) if j not in (i, count - 1 - i)]
            others = images.clone()
            others[unrelated] += 1
            remixed = _mixed(augmentation, others, targets, draw)[0]
            require(
                torch.allclose(remixed[i], mixed[i]),
                augmentation,
                f"mixes image {i} of {count} with others than image {count - 1 - i}",
                "image i is mixed with image B - 1 - i only: a process has both",
            )
        for rows in (shard(range(count), rank, 2) for rank in range(2)):
            part = _mixed(augmentation, images[rows], targets[rows], draw)[0] if rows else None
            require(
                part is None or torch.allclose(part, mixed[rows]),
                augmentation,
                f"mixes a shard of {len(rows)} differently from the whole batch of {count}",
                "what is drawn does not depend on the number of images",
            )


def _check_mix(
    augmentation: BatchAugmentation, given: tuple[Tensor, Tensor], made: tuple[Tensor, Tensor]
) -> None:
    for name, old, new in zip(("images", "targets"), given, made, strict=True):
        require(
            new.shape == old.shape and new.dtype == old.dtype,
            augmentation,
            f"makes {name} {new.dtype} {tuple(new.shape)} of {old.dtype} {tuple(old.shape)}",
            "shapes and dtypes do not change",
        )
    sums = made[1].sum(dim=1)
    require(
        bool((made[1] >= 0).all()) and torch.allclose(sums, torch.ones_like(sums)),
        augmentation,
        f"gives class probabilities that sum to {sums.tolist()}",
        "targets (B, K) stay probabilities: 0 or more, with a sum of 1",
    )


def _mixed(
    augmentation: BatchAugmentation, images: Tensor, targets: Tensor, draw: int
) -> tuple[Tensor, Tensor]:
    with (
        no_random_numbers(augmentation, "mix", but_torch=True),
        seeded(draw, "mix"),
        raising_only(augmentation, f"mix of {len(images)} images"),
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
