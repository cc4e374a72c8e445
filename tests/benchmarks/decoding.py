"""What another decoder of JPEG files changes, and how many images a second the loader decodes.

    python tests/benchmarks/decoding.py IMAGES WEIGHTS [--decoders torchvision] [--size 64]

IMAGES is a folder of images with a folder for each class in its train and val folders, WEIGHTS the
file of timm's ``tf_efficientnet_lite0``.

1. Pixels: each image decoded otherwise beside Pillow, and resized: how many images differ, in how
   many of their values, by how much. Of photographs of 500 × 375, a reduced scale is used at sizes
   up to 82 pixels.
2. Labels, where pixels differ: a head is trained for each way to decode. Top-1 of each, and of the
   model trained with Pillow where others decode for it, which tlf never does: it shows what a
   mixture would cost.
3. Speed: images a second of the loader, from the files to uint8 batches, by 1, 2, 4 … processes, up
   to the cores of the machine. Nothing is stored; each process lives through all batches.

Only the third part needs a quiet machine: ``--seconds 0`` leaves it out."""

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from measuring import machine

import tlf
from tlf.builtin.folder import Folder
from tlf.components import Split
from tlf.data.decoding.jpeg import JPEG
from tlf.data.loader import Loaders
from tlf.data.loading import Decoded, Images
from tlf.data.transforms import load
from tlf.preprocessing import Preprocessing
from tlf.runtime.cores import usable_cores

RECIPE = """output = "{run}"
batch_size = 32
report = false
[data]
kind = "folder"
root = "{images}"
bad_images = "skip"
[transforms]
size = {size}
[backbone]
kind = "timm"
model = "tf_efficientnet_lite0"
weights = "{weights}"
[[phases]]
name = "head"
freeze = "backbone"
epochs = 8
lr = 1e-2
"""
BATCH = 32


def ways(decoders: list[str]) -> dict[str, dict[str, object]]:
    """Name → what is other than usual: the decoders, and the reduced scale."""
    return {name: {"decoder": name} for name in decoders} | {"reduced": {"reduced": True}}


def pixels(
    splits: list[Split], usual: Preprocessing, changed: dict[str, object]
) -> tuple[int, str]:
    """How many images differ from Pillow's, and how."""
    other, images, values, total, largest = replace(usual, **changed), 0, 0, 0, 0
    means = []
    for split in splits:
        for index in range(len(split)):
            data = split.read(index)
            if not data.startswith(JPEG):
                continue
            difference = np.abs(load(data, other).numpy().astype(int) - load(data, usual).numpy())
            images, values = images + bool(difference.any()), values + int((difference > 0).sum())
            total, largest = total + difference.size, max(largest, int(difference.max()))
            means.append(float(difference.mean()))
    count = len(means)
    return images, (
        f"{images} of {count} images differ, in {values / total:.2%} of the values; by "
        f"{np.mean(means):.2f} of 255 in the mean, {largest} at most"
    )


def trained(recipe: Path, run: Path, *overrides: str) -> tuple[float, tlf.TrainedClassifier]:
    """Top-1 of the best epoch, and the model."""
    *_, result = tlf.run(recipe, [f"output={run}", *overrides])
    return result.best.metrics["top1"], tlf.load_classifier(run)


def top1(classifier: tlf.TrainedClassifier, split: Split, classes: tuple[str, ...]) -> list[bool]:
    """Whether each image gets its label."""
    found = classifier.predict([split.read(index) for index in range(len(split))])
    return [one.label == classes[label] for one, label in zip(found, split.labels, strict=True)]


def rates(split: Split, how: Preprocessing, seconds: float) -> Iterator[str]:
    """Images a second by each number of processes."""
    labels = torch.zeros(len(split))
    workers = 1
    while workers <= usable_cores():
        images = Images(Decoded(split, how), labels, how.size)
        with Loaders(workers, torch.device("cpu")) as loaders:
            begun, done = 0.0, 0
            for batch in loaders.batches(images, endless(len(split))):
                if not begun:  # the processes have started
                    begun = time.perf_counter()
                    continue
                done += len(batch.labels)
                if time.perf_counter() - begun > seconds:
                    break
            yield f"{workers} processes {done / (time.perf_counter() - begun):,.0f}"
        workers *= 2


def endless(count: int) -> Iterator[list[tuple[int, int]]]:
    """The keys of batches without end."""
    first = 0
    while True:
        yield [(0, (first + number) % count) for number in range(BATCH)]
        first += BATCH


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--decoders", nargs="+", default=["torchvision"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", "The image decoding", DeprecationWarning)
    print(machine())
    splits = Folder(str(given.images)).build()
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder, "recipe.toml")
        recipe.write_text(RECIPE.format(run=f"{folder}/run", **vars(given)))
        best, usual = trained(recipe, Path(folder, "pillow"))
        right = top1(usual, splits.eval, splits.classes)
        print(f"pillow: top-1 {best:.2%}")
        for name, changed in ways(given.decoders).items():
            count, told = pixels([splits.train, splits.eval], usual.preprocessing, changed)
            print(f"{name}: {told}")
            if not count:  # then all that follows is the same
                continue
            said = [f"transforms.{key}={str(value).lower()}" for key, value in changed.items()]
            best, _ = trained(recipe, Path(folder, name), *said)
            mixed = replace(usual, preprocessing=replace(usual.preprocessing, **changed))
            others = top1(mixed, splits.eval, splits.classes)
            moved = sum(one != other for one, other in zip(right, others, strict=True))
            print(
                f"{name}: top-1 {best:.2%}; {np.mean(others):.2%} by the model of Pillow's pixels, "
                f"right or wrong changes for {moved} of {len(others)} images"
            )
    if given.seconds:
        for name, changed in {"pillow": {}, **ways(given.decoders)}.items():
            how = replace(Preprocessing().sized(given.size), **changed)
            print(f"{name}, images/s: {', '.join(rates(splits.train, how, given.seconds))}")


if __name__ == "__main__":
    main()
