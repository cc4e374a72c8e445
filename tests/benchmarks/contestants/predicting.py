"""Classify images with a network of random weights, by hand, as fast as plain PyTorch does it.

    python tests/benchmarks/contestants/predicting.py network|plain|one MODULE NAME SIZE PATH...

network: the network alone, on pixels that were decoded before (one .npy file). plain: decode a
batch, classify it, and so on. one: the same for one image, and as few imports as that takes."""

import sys
from importlib import import_module

import numpy as np
import torch
from PIL import Image

BATCH = 32
MEAN = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
STD = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)


def main() -> None:
    """Print a class and its probability for each image."""
    what, module, name, size, *paths = sys.argv[1:]
    model = getattr(import_module(module), name)(num_classes=2).eval()
    model = model.to(memory_format=torch.channels_last)
    pixels = np.load(paths[0], mmap_mode="r") if what == "network" else None
    count = len(paths) if pixels is None else len(pixels)
    with torch.inference_mode():
        for start in range(0, count, BATCH):
            if pixels is None:
                some = [decoded(path, int(size)) for path in paths[start : start + BATCH]]
                batch = torch.stack(some)
            else:
                batch = torch.from_numpy(pixels[start : start + BATCH].copy())
            images = (batch.float() / 255 - MEAN) / STD
            images = images.contiguous(memory_format=torch.channels_last)
            for figures in model(images).softmax(1).tolist():
                print(figures.index(max(figures)), max(figures))


def decoded(path: str, size: int) -> torch.Tensor:
    """The pixels of an image (3, S, S), resized and cropped as for published weights."""
    image = Image.open(path).convert("RGB")
    shorter = size * 256 // 224
    scale = shorter / min(image.size)
    width, height = (max(shorter, int(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size) // 2, (height - size) // 2
    pixels = np.array(image.crop((left, top, left + size, top + size)))
    return torch.from_numpy(pixels).permute(2, 0, 1)


if __name__ == "__main__":
    main()
