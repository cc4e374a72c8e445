"""The dataset: images that are drawn once into tlf's cache and read from there afterwards."""

import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from tlf.components import Split, Splits
from tlf.errors import DataError
from tlf.runtime.files import cache_folder, written_whole

DRAWING = 1
"""Goes up whenever images of the same options look different, so that old ones are drawn anew."""

CLASSES = 120
SPLITS: tuple[Literal["train", "eval"], ...] = ("train", "eval")
PIECE = 100
"""Images that a worker draws at a time."""


@dataclass(frozen=True)
class Formula:
    """Shapes, textures, fractals and compositions that are drawn by formula, to pretrain on.

    Place, size, turn, colors, light, background and clutter are random in every image, so a
    network has to learn shape and texture. Drawn once, on all cores, and then kept in tlf's cache.

    Source: after H. Kataoka et al., 2020, Pre-training without Natural Images, arXiv:2101.08515.
    """

    classes: int = 120
    """How many kinds of figures, 2 to 120."""
    train_per_class: int = 400
    """Images of each class to train on."""
    eval_per_class: int = 20
    """Images of each class to evaluate on."""
    size: int = 128
    """Side of the square images in pixels, 32 to 512."""
    seed: int = 0
    """Decides every image together with its split, class and number."""

    def build(self) -> Splits:
        """Draw the images, unless they are in the cache already.

        Raises:
            ValueError: an option is out of its bounds.
            RunError: the cache folder cannot be made.
        """
        _check(self)
        path = cache_folder("formula") / f"{_key(self)}.safetensors"
        if not path.exists():
            draw_all(self, path)
        train, evaluation = (_split(self, path, split) for split in SPLITS)
        return Splits(train, evaluation, class_names(self.classes))


def class_names(count: int) -> tuple[str, ...]:
    """Names of ``count`` classes, spread evenly over all kinds of figures.

    >>> class_names(3)
    ('triangle', 'spokes 6', 'collar')
    """
    from tlf_formula.catalogue import catalogue

    known = tuple(catalogue())
    return tuple(known[n * len(known) // count] for n in range(count))


def _check(formula: Formula) -> None:
    bounds = {
        "classes": (2, CLASSES),
        "train_per_class": (1, 100_000),
        "eval_per_class": (1, 100_000),
        "size": (32, 512),
        "seed": (0, 2**32 - 1),
    }
    for option, (low, high) in bounds.items():
        value = getattr(formula, option)
        if not low <= value <= high:
            raise ValueError(f"{option} is {value}; write a whole number from {low} to {high}")


def _key(formula: Formula) -> str:
    """Which file holds the images of these options."""
    text = json.dumps({"drawing": DRAWING, **asdict(formula)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _split(formula: Formula, path: Path, split: Literal["train", "eval"]) -> Split:
    each = _per_class(formula, split)
    labels = [label for label in range(formula.classes) for _ in range(each)]
    classes = class_names(formula.classes)
    names = [f"{split}/{classes[label]}/{n % each}" for n, label in enumerate(labels)]
    return Split(names, labels, partial(read_image, str(path), split))


def _per_class(formula: Formula, split: Literal["train", "eval"]) -> int:
    return formula.train_per_class if split == "train" else formula.eval_per_class


def read_image(path: str, split: str, index: int) -> bytes:
    """The bytes of one image of a drawn file."""
    jpegs, ends = _opened(path, split)
    start = int(ends[index - 1]) if index else 0
    return bytes(jpegs[start : int(ends[index])].tobytes())


@lru_cache(maxsize=8)
def _opened(path: str, split: str) -> tuple[Any, Any]:
    """The images of a split, left on the disk, and where each of them ends."""
    from safetensors import SafetensorError, safe_open

    try:
        file: Any = safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise DataError(f"{path} is damaged ({error}); delete it to draw it anew") from error
    return file.get_slice(f"{split}.jpegs"), file.get_tensor(f"{split}.ends")


def draw_all(formula: Formula, path: Path, workers: int | None = None) -> None:
    """Draw every image of both splits into one file.

    Parameters:
        formula: the options.
        path: of the file, which appears when it is whole.
        workers: processes; all the cores that may be used where it is left out.
    """
    import numpy as np
    from safetensors.numpy import save_file

    tensors = {}
    with _mapper(formula, workers) as mapped:
        for split in SPLITS:
            jpegs = _draw_split(formula, split, mapped)
            tensors[f"{split}.jpegs"] = np.frombuffer(b"".join(jpegs), dtype=np.uint8)
            tensors[f"{split}.ends"] = np.cumsum([len(jpeg) for jpeg in jpegs], dtype=np.int64)
    with written_whole(path) as side:
        save_file(tensors, side)


Mapper = Callable[[Callable[[range], list[bytes]], Iterable[range]], Iterable[list[bytes]]]


@contextmanager
def _mapper(formula: Formula, workers: int | None) -> Iterator[Mapper]:
    """A ``map`` over processes; the plain one where there is too little to draw for that."""
    total = formula.classes * (formula.train_per_class + formula.eval_per_class)
    workers = workers or (_usable_cores() if total > 20 * PIECE else 1)
    if workers == 1:
        yield map
        return
    # Not fork: the program that calls this usually has threads running.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield pool.map


def _usable_cores() -> int:
    """How many cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _draw_split(formula: Formula, split: Literal["train", "eval"], mapped: Mapper) -> list[bytes]:
    total = formula.classes * _per_class(formula, split)
    pieces = [range(at, min(at + PIECE, total)) for at in range(0, total, PIECE)]
    started, jpegs = time.monotonic(), []
    for drawn in mapped(partial(draw_images, formula, split), pieces):
        jpegs += drawn
        _say(split, len(jpegs), total, time.monotonic() - started)
    return jpegs


def _say(split: str, done: int, total: int, seconds: float) -> None:
    """Show how far the drawing is, on one line that is written over."""
    rate = done / max(seconds, 1e-6)
    end = "\n" if done == total else ""
    left = (total - done) / rate
    sys.stderr.write(f"\rdrawing {split}: {done}/{total}, {rate:.0f}/s, {left:.0f} s left {end}")
    sys.stderr.flush()


def draw_images(
    formula: Formula, split: Literal["train", "eval"], indices: Iterable[int]
) -> list[bytes]:
    """Draw some images of a split: JPEG bytes of each."""
    import numpy as np

    from tlf_formula.catalogue import catalogue
    from tlf_formula.scene import draw_scene

    draw, each = catalogue(), _per_class(formula, split)
    names, part = class_names(formula.classes), SPLITS.index(split)
    jpegs = []
    for index in indices:
        label, number = divmod(index, each)
        rng = np.random.default_rng([formula.seed, part, label, number])
        subject = draw[names[label]](rng, formula.size)
        buffer = BytesIO()
        image = draw_scene(subject, rng, formula.size, formula.seed)
        image.save(buffer, "JPEG", quality=88)
        jpegs.append(buffer.getvalue())
    return jpegs
