"""The images that an earlier job has read: are they still the same?"""

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tlf.components import Splits
from tlf.data.inspection.inspect import Events, Inspected, inspect_splits
from tlf.data.inspection.known_files import forget, open_known
from tlf.data.inspection.verify import Mode, Stamps, mode_of, stamped, verified_note
from tlf.data.inspection.white import find_white
from tlf.data.pixel_store import StoredPixels
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
    used: frozenset[str]
    """Which of ``train``, ``eval`` and ``full`` were decoded."""
    stamps: str | None
    """A hash of the stamps of all files, before they were read; None where images are no files."""
    verified: Mode = "content"
    """How it was known that images are the same as in an earlier run."""


def read_or_take_over(
    job: "Job",
    earlier: "Sequence[Job]",
    *,
    may_lose_classes: bool,
    used: Collection[str] | None = None,
) -> Generator[Events, None, ReadImages]:
    """Read every image; or take over what an earlier job of the same images has read, if no file
    was written since.

    ``used``: which of ``train``, ``eval`` and ``full`` are decoded; None: what the phases use.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left.
    """
    decoded = used_pixels(job.recipe) if used is None else frozenset(used)
    before = _read_before(job, earlier, decoded, lose=may_lose_classes)
    # Processes read together, so what one of them has to read again, all do.
    same = bool(earlier) and all(gathered(before is not None))
    if before is not None and same:
        return before
    return (yield from _read(job, decoded, lose=may_lose_classes))


def written_since(job: "Job") -> tuple[str, ...]:
    """A sentence where a file was written since a job has read its images, and images were decoded
    anew from their files: nobody knows which of the two it has trained on.
    """
    read = job.read
    if read is None or read.stamps is None:
        return ()
    anew = (name for name in read.used if not isinstance(job.pixels[name], StoredPixels))
    if next(anew, None) is None or read.stamps == _stamps(read.listed):
        return ()
    return (
        "files of images have changed since the run read and hashed them: some epochs have seen "
        "other images than provenance.json says. Train again with images that stay as they are",
    )


def _read_before(
    job: "Job", earlier: "Sequence[Job]", used: frozenset[str], *, lose: bool
) -> ReadImages | None:
    for other in reversed(earlier):
        read = other.read
        if read is None or not _alike(job, other):
            continue
        if (read.used, read.may_lose_classes) != (used, lose):
            continue
        same = read.listed == job.splits
        if same and read.prepared == replace(job.preprocessing, white=read.prepared.white):
            return read if _is_there(read) else None
    return None


def _alike(job: "Job", other: "Job") -> bool:
    """Whether two jobs do the same with their images."""
    one, two = job.recipe, other.recipe
    return (one.data, one.task, one.cache) == (two.data, two.task, two.cache)


def _is_there(read: ReadImages) -> bool:
    """Whether no file was written since, and all that the cache has of them is there."""
    stored = (p.entry for p in read.inspected.pixels.values() if isinstance(p, StoredPixels))
    whole = all(entry.is_whole() for entry in stored)
    return whole and read.stamps is not None and read.stamps == _stamps(read.listed)


def _stamps(splits: Splits) -> str | None:
    """A hash of the stamps of all files, where images are files."""
    looking = stamped(splits)
    while True:
        try:
            next(looking)
        except StopIteration as end:
            found: Stamps = end.value
            return found.digest


def _read(job: "Job", used: frozenset[str], *, lose: bool) -> Generator[Events, None, ReadImages]:
    data, cache, splits = job.recipe.data, job.cache, job.splits
    stamps = yield from stamped(splits)
    mode, seen = mode_of(data.verify, stamps, stored=cache is not None), None
    if cache is not None and mode == "content":
        forget(cache, splits, job.preprocessing)
    elif cache is not None:
        seen, notices = open_known(job.accelerator, cache, splits, "seen", job.preprocessing)
        yield from notices
    how = job.preprocessing
    white, notes = yield from find_white(splits, data.white, job.accelerator, how, seen)
    prepared = replace(job.preprocessing, white=white)
    inspected = yield from inspect_splits(
        splits,
        prepared,
        data.bad_images,
        job.task,
        job.accelerator,
        cache,
        used,
        data.missing_in_eval,
        may_lose_classes=lose,
        verify=mode,
    )
    images = len(splits.train) + len(splits.eval)
    told = verified_note(data.verify, mode, inspected.unread, images)
    notes = [*notes, *filter(None, [told])]
    return ReadImages(splits, inspected, prepared, (*notes,), lose, used, stamps.digest, mode)
