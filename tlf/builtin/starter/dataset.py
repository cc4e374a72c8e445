"""The images that come with tlf: drawn ants and bees, stored as image files in tlf's cache."""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tlf.components import Split, Splits
from tlf.data.image_files import read_image
from tlf.errors import DataError
from tlf.runtime.files import cache_folder

FOLDER = "starter-v1"
"""Name of the folder in the cache. A change of the images needs a new number."""
COUNTS = {
    "train": {"ants": 123, "bees": 121},
    "val": {"ants": 70, "bees": 83},
}
"""Images of each split and class: as many as in the well-known photographs of ants and bees."""
_ABANDONED = 3600.0
"""Seconds after which an unfinished folder was left by a program that was stopped."""


@dataclass(frozen=True)
class Starter:
    """Drawn ants and bees that come with tlf: 244 images to train on, 153 to evaluate on.

    Colour, ground, size and light do not depend on the class; only the shape of the insect does.
    The images are drawn once, in a few seconds, into the folder ``starter-v1`` of tlf's cache.
    """

    on_disk: ClassVar[bool] = True

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
        return read_image(self.paths[index])


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
            f"{len(missing)} of the starter images are missing, first {folder / missing[0]}; "
            f"remove the folder {folder} to have them drawn again"
        )


def _draw(folder: Path) -> None:
    """Draw every image into a folder beside ``folder``, and rename it when it is complete."""
    _sweep(folder)
    # Each process that finds no images draws the same ones into a folder of its own.
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
        # Another process was first: rename does not replace a folder that holds files.
        if not folder.is_dir():
            raise


def _sweep(folder: Path) -> None:
    """Remove the folders that stopped programs left beside ``folder``."""
    for side in folder.parent.glob(f".{folder.name}.*"):
        # Its own process may rename or remove it at this moment.
        with suppress(FileNotFoundError):
            if time.time() - side.stat().st_mtime > _ABANDONED:
                shutil.rmtree(side, ignore_errors=True)
