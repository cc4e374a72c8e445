"""Augmentations of one image, and mixes of several."""

from dataclasses import dataclass

import numpy as np
import torch
from torchvision.transforms.v2 import functional

from broken.rules import Rules, again

RULES = Rules()


@dataclass(frozen=True)
class Augment:
    fault: str = ""

    def augment(self, image, size):
        match self.fault:
            case "float":
                return image / 255
            case "place":
                return image.neg_()
            case "numpy":
                return image.clamp_max(int(254 + np.random.rand()))
            case "clock":
                return image.roll(again("roll") % 7, 2)
            case "square":
                return image + torch.zeros(40, 40, dtype=torch.uint8)
            case "list":
                return image.tolist()
        return image


RULES.each(
    "augment",
    Augment,
    float="makes torch.float32 (3, 40, 40) of an image (3, 40, 40)",
    place="changes the image (3, 40, 40) that it was given",
    numpy="draws from ['numpy'] in augment",
    clock="makes a different image of (3, 40, 40) under the same seed",
    square="fails in augment of an image (3, 33, 57): RuntimeError",
    list="gives a list",
)


@dataclass(frozen=True)
class Crop:
    fault: str = ""
    crops = True

    def augment(self, image, size):
        width = min(image.shape[-1], size) if self.fault == "narrow" else size
        crop = functional.resize(image, [size, width], antialias=True)
        if self.fault == "strides":
            return crop if image.is_contiguous() else crop.flip(1)
        return crop


RULES.each(
    "crop",
    Crop,
    narrow="makes (3, 32, 20) of an image (3, 61, 20) for size 32",
    strides="makes a different image where the channels of a pixel are neighbours in memory",
)


@RULES.broken("says crops = 'often'")
@dataclass(frozen=True)
class Often(Augment):
    crops = "often"


@dataclass(frozen=True)
class Mix:
    fault: str = ""

    def mix(self, images, targets):
        share = torch.rand(()).item()
        match self.fault:
            case "roll":
                return images * share + images.roll(1, 0) * (1 - share), targets
            case "sum":
                return images, targets * 0.5
            case "half":
                return images[: len(images) // 2], targets[: len(images) // 2]
            case "each":
                shares = torch.rand(len(images), 1, 1, 1)
                return images * shares + images.flip(0) * (1 - shares), targets
            case "clock":
                return images + again("mix"), targets
        return images, targets


RULES.each(
    "mix",
    Mix,
    roll="mixes image 1 of 8 with others than image 6",
    sum="gives class probabilities that sum to [0.5",
    half="makes images torch.float32 (4, 3, 12, 10) of torch.float32 (8, 3, 12, 10)",
    each="mixes a shard of 4 differently from the whole batch of 8",
    clock="mixes differently under the same seed",
)
WHOLES = [Augment(), Crop(), Mix()]
