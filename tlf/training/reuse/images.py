"""The images that an earlier job has read: are they still the same?"""

import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.components import Split, Splits
from tlf.data.inspection.inspect import Events, Inspected, inspect_splits
from tlf.data.inspection.readable import ReadSubset
from tlf.data.inspection.white import find_white
from tlf.data.pixel_store import StoredPixels
from tlf.data.splits import ReadFile
from tlf.preprocessing import Preprocessing
from tlf.recipe.augment import used_pixels
from tlf.runtime.processes import gathered

if TYPE_CHECKING:
    from tlf.training.job import Job


@dataclass(frozen=True)
class ReadImages:
    """What reading every image has shown."""

    listed: Splits
    """The images before they were read."""
    inspected: Inspected
    prepared: Preprocessing
    """How they are prepared, with the value of 16-bit grey images that is white."""
    notes: tuple[str, ...]
    """What 8 bits cannot show of them."""
    may_lose_classes: bool
    stamps: str | None
    """A hash of the stamps of all files, before they were read; None where images are no files."""


def _stamps(splits: Splits) -> str | None:
    """A hash of the stamps of all files; None where images are no files, or one is missing."""
    digest = sha256()
    try:
        for path in chain(_paths(splits.train), _paths(splits.eval)):
            digest.update(ascii((str(path), _stamp(path))).encode())
    except (OSError, TypeError):
        return None
    return digest.hexdigest()


def read_or_take_over(
    job: "Job", earlier: "Sequence[Job]", *, may_lose_classes: bool
) -> Generator[Events, None, ReadImages]:
    """Read every image; or take over what an earlier job of the same images has read, if no file
    was written since.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left.
    """
    before = _read_before(job, earlier, lose=may_lose_classes)
    # Processes read together, so what one of them has to read again, all do.
    same = bool(earlier) and all(gathered(before is not None))
    if before is not None and same:
        return before
    return (yield from _read(job, lose=may_lose_classes))


def _read_before(job: "Job", earlier: "Sequence[Job]", *, lose: bool) -> ReadImages | None:
    for other in reversed(earlier):
        read = other.read
        if read is None or not _alike(job, other) or read.may_lose_classes != lose:
            continue
        same = read.listed == job.splits
        if same and read.prepared == replace(job.preprocessing, white=read.prepared.white):
            return read if _is_there(read) else None
    return None


def _alike(job: "Job", other: "Job") -> bool:
    """Whether two jobs do the same with their images."""
    one, two = job.recipe, other.recipe
    settings = [(recipe.data, recipe.task, recipe.cache) for recipe in (one, two)]
    return settings[0] == settings[1] and used_pixels(one) == used_pixels(two)


def _is_there(read: ReadImages) -> bool:
    """Whether no file was written since, and all that the cache has of them is there."""
    stored = (p.entry for p in read.inspected.pixels.values() if isinstance(p, StoredPixels))
    whole = all(entry.is_whole() for entry in stored)
    return whole and read.stamps is not None and read.stamps == _stamps(read.listed)


def _read(job: "Job", *, lose: bool) -> Generator[Events, None, ReadImages]:
    before, data = _stamps(job.splits), job.recipe.data
    how = job.preprocessing
    white, notes = yield from find_white(job.splits, data.white, job.accelerator, how)
    prepared = replace(job.preprocessing, white=white)
    inspected = yield from inspect_splits(
        job.splits,
        prepared,
        data.bad_images,
        job.task,
        job.accelerator,
        job.cache,
        used_pixels(job.recipe),
        data.missing_in_eval,
        may_lose_classes=lose,
    )
    return ReadImages(job.splits, inspected, prepared, (*notes,), lose, before)


def _paths(split: Split) -> Iterator[Path]:
    """Where the images of a split are.

    Raises:
        TypeError: they are no files.
    """
    read = split.read
    if isinstance(read, ReadSubset):
        below = [*_paths(read.split)]
        yield from (below[index] for index in read.indices)
    elif isinstance(read, ReadFile):
        yield from (Path(read.root, read.names[index]) for index in range(len(split)))
    else:
        raise TypeError("images must be files to have a path")


def _stamp(path: Path) -> tuple[int, ...]:
    """The size of a file, its place on the disk, and when it was changed."""
    seen = os.stat(path)
    return seen.st_size, seen.st_dev, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns
