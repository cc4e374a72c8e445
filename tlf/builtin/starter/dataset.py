"""The images that come with tlf: drawn ants and bees, kept as ordinary files in tlf's cache."""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tlf.components import Split, Splits
from tlf.errors import DataError
from tlf.runtime.files import cache_folder

FOLDER = "starter-v1"
"""Name of the folder in the cache. Whoever changes how an image looks counts it up."""
COUNTS = {
    "train": {"ants": 123, "bees": 121},
    "val": {"ants": 70, "bees": 83},
}
"""Images of each split and class: as many as in the well-known photographs of ants and bees."""
_ABANDONED = 3600.0
"""Seconds after which a folder that is not finished belongs to a program that was stopped."""


@dataclass(frozen=True)
class Starter:
    """Drawn ants and bees that come with tlf: 244 images to train on, 153 to evaluate on.

    Color, ground, size and light say nothing about the class; only the shape of the insect does.
    They are drawn once, in a few seconds, into ``starter-v1`` in tlf's cache, where anybody can
    look at them.
    """

    def build(self) -> Splits:
        """Find the images, or draw them first.

        Raises:
            DataError: the images cannot be written, or some were removed.
        """
        folder = cache_folder("") / FOLDER
        if not folder.exists():
            _draw(folder)
        _check(folder)
        return Splits(
            train=_split(folder, "train"),
            eval=_split(folder, "val"),
            classes=tuple(COUNTS["train"]),
            notes=(f"the ants and bees are drawn by tlf; they are in {folder}",),
        )


@dataclass(frozen=True)
class _Files:
    """Reads image files by their index."""

    paths: tuple[str, ...]

    def __call__(self, index: int) -> bytes:
        return Path(self.paths[index]).read_bytes()


def _members(split: str) -> Iterator[tuple[str, int, str]]:
    """Class, number and path of each image of a split, in order."""
    for name, count in COUNTS[split].items():
        for number in range(1, count + 1):
            yield name, number, f"{split}/{name}/{number:04d}.jpg"


def _split(folder: Path, split: str) -> Split:
    members = list(_members(split))
    classes = list(COUNTS[split])
    paths = tuple(str(folder / path) for _, _, path in members)
    return Split(paths, [classes.index(name) for name, _, _ in members], _Files(paths))


def _check(folder: Path) -> None:
    missing = [
        path for split in COUNTS for _, _, path in _members(split) if not (folder / path).is_file()
    ]
    if missing:
        raise DataError(
            f"{len(missing)} of the starter images are gone, first {folder / missing[0]}; "
            f"remove the folder {folder}, and they are drawn again"
        )


def _draw(folder: Path) -> None:
    """Draw every image beside ``folder`` and give it its name when all are there."""
    _sweep(folder)
    # Each process that finds no images draws them under a name of its own; they are all the same.
    side = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        _write(side)
        _rename(side, folder)
    except OSError as error:
        raise DataError(
            f"cannot write the starter images to {folder}: {error.strerror}; "
            "set TLF_CACHE to a folder that can be written"
        ) from error
    finally:
        shutil.rmtree(side, ignore_errors=True)


def _write(side: Path) -> None:
    from tlf.builtin.starter.portrait import portrait

    for split in COUNTS:
        for name, number, path in _members(split):
            (side / path).parent.mkdir(parents=True, exist_ok=True)
            (side / path).write_bytes(portrait(split, name, number))


def _rename(side: Path, folder: Path) -> None:
    try:
        side.rename(folder)
    except OSError:
        # Another process was first: a folder with files in it is never replaced.
        if not folder.is_dir():
            raise


def _sweep(folder: Path) -> None:
    """Remove what stopped programs left beside ``folder``."""
    for side in folder.parent.glob(f".{folder.name}.*"):
        # It may be renamed or removed by its own process at this moment.
        with suppress(FileNotFoundError):
            if time.time() - side.stat().st_mtime > _ABANDONED:
                shutil.rmtree(side, ignore_errors=True)
