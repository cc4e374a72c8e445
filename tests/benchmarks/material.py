"""What the jobs are done on: images and weights, the same files for every contestant."""

import os
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

JPEGS = (".jpg", ".jpeg")
VALS = ("val", "valid", "validation", "eval", "test")


def make_images(root: Path, train: int = 250, val: int = 150) -> Path:
    """Drawn ants and bees as JPEGs of about 500 × 375, with the grain of a photograph."""
    import numpy as np

    rng = np.random.default_rng(0)
    for split, count in {"train": train, "val": val}.items():
        for number in range(count):
            _photograph(root, split, number, rng)
    return root


def make_share(root: Path, images: int, shares: int, share: int) -> None:
    """Every ``shares``-th of such images, a fifth of all to evaluate on."""
    import numpy as np

    for number in range(share, images, shares):
        split = "val" if number % 10 >= 8 else "train"
        _photograph(root, split, number, np.random.default_rng(number))


def make_links(images: Path, links: Path, count: int, shares: int, share: int) -> None:
    """Every ``shares``-th of ``count`` names for the images of a folder, in its two splits."""
    for split in ("train", "val"):
        found = sorted((images / split).rglob("*.jpg"))
        of_split = count // 5 if split == "val" else count - count // 5
        for number in range(share, of_split, shares):
            source = found[number % len(found)]
            link = links / split / source.parent.name / f"{number:06}.jpg"
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, link)


def make_smaller(images: Path, small: Path, side: int, count: int) -> None:
    """The first ``count`` images of each split of a folder, ``side`` × ``side`` pixels."""
    from PIL import Image

    for split in ("train", "val"):
        found = sorted((images / split).rglob("*.jpg"), key=lambda path: path.name)
        for path in found[:count]:  # of all classes
            made = small / split / path.parent.name / path.name
            made.parent.mkdir(parents=True, exist_ok=True)
            Image.open(path).resize((side, side)).save(made, quality=80)


def _photograph(root: Path, split: str, number: int, rng: "np.random.Generator") -> None:
    import numpy as np
    from PIL import Image

    from tlf.builtin.starter.portrait import portrait

    name = ("ants", "bees")[number % 2]
    folder = root / split / name
    folder.mkdir(parents=True, exist_ok=True)
    image = Image.open(BytesIO(portrait(split, name, number)))
    factor = (500 * 375 / (image.width * image.height)) ** 0.5
    size = round(image.width * factor), round(image.height * factor)
    pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC), np.float32)
    pixels = pixels + rng.normal(0, 5, pixels.shape)
    photograph = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    photograph.save(folder / f"{number:05}.jpg", quality=90)


def make_small_images(root: Path, count: int, side: int = 64) -> Path:
    """``count`` JPEGs of noise in ten classes, a fifth of them to evaluate on."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    means = rng.integers(60, 200, (10, 3))
    for number in range(count):
        split, label = "val" if number % 50 >= 40 else "train", number % 10
        folder = root / split / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        coarse = np.clip(rng.normal(means[label], 40, (8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(coarse).resize((side, side)).save(folder / f"{number:06}.jpg")
    return root


def linked(source: Path, root: Path) -> Path:
    """Links to the JPEGs of a folder with train and val folders, as all contestants read them."""
    val = next((name for name in VALS if (source / name).is_dir()), None)
    if val is None or not (source / "train").is_dir():
        raise SystemExit(f"{source} has no train and val folders with a folder for each class")
    for split, name in (("train", "train"), ("val", val)):
        for path in sorted((source / name).rglob("*")):
            if path.suffix.lower() in JPEGS:
                link = root / split / path.relative_to(source / name)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
    return root


def make_weights(path: Path) -> Path:
    """The backbone that comes with tlf, as a torchvision state in float32."""
    from safetensors.torch import load_file, save_file

    from tlf.pretrained.weights import STARTER

    tensors = load_file(STARTER)
    floats = {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}
    save_file(floats, path)
    return path


def count(root: Path) -> tuple[int, int]:
    """How many images there are to train on and to evaluate on."""
    train, val = (sum(p.is_file() for p in (root / s).rglob("*")) for s in ("train", "val"))
    return train, val


def main() -> None:
    """``material.py images | small | weights PATH [COUNT]``, in a process of its own: whoever
    measures stays small, since a process inherits its parent's peak memory."""
    what, path, *rest = sys.argv[1:]
    if what == "weights":
        make_weights(Path(path))
    elif what == "small":
        make_small_images(Path(path), int(rest[0]))
    else:
        make_images(Path(path), *map(int, rest))


if __name__ == "__main__":
    main()
