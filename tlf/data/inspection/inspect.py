"""Every image is read once before training: can it be decoded? Decoded images are stored in the
cache, resized or at full resolution, so that none is decoded twice.

Each run reads and hashes every file, whatever its time stamp says, unless ``data.verify`` is
``stat``: decoding is the slow part, and it is done in one thread per core, since Pillow releases
Python's lock.
"""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

from accelerate import Accelerator

from tlf.cache.store import Cache
from tlf.components import Split, Splits
from tlf.data.decoding.values import decode
from tlf.data.inspection.answers import DIGEST, Answers, Digests, in_order
from tlf.data.inspection.decoding import Decoding, find_or_store
from tlf.data.inspection.for_each_image import for_each_image
from tlf.data.inspection.known_files import KnownFiles, open_known
from tlf.data.inspection.known_rows import STAMP
from tlf.data.inspection.readable import (
    BadImages,
    Inspection,
    MissingInEval,
    Unreadable,
    check_splits,
)
from tlf.data.inspection.same_images import check_bytes, check_listings
from tlf.data.inspection.verify import Mode
from tlf.data.loading import Pixels, decoded_pixels
from tlf.data.pixel_store import SPLIT_OF, StoredPixels
from tlf.errors import DataError, StorageError
from tlf.events import Notice, Prepared, Stored
from tlf.preprocessing import Preprocessing
from tlf.runtime.processes import Machine
from tlf.tasks import Task

Events = Prepared | Notice | Stored


@dataclass(frozen=True)
class Inspected:
    """The images that can be used."""

    splits: Splits
    manifests: Mapping[str, str]
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their images."""
    pixels: Mapping[str, Pixels]
    """``train`` and ``eval`` → their decoded and resized images; ``full`` → the train images at
    full resolution."""
    unreadable: tuple[Unreadable, ...] = ()
    """Images that are left out."""
    unread: int = 0
    """How many images were known by their files, and not read."""


def inspect_splits(
    splits: Splits,
    preprocessing: Preprocessing,
    bad_images: BadImages,
    task: Task,
    accelerator: Accelerator,
    cache: Cache | None,
    used: Collection[str] = ("train", "eval"),
    missing_in_eval: MissingInEval = "error",
    *,
    may_lose_classes: bool = False,
    verify: Mode = "content",
) -> Generator[Events, None, Inspected]:
    """Read every image of both splits; give those that can be used.

    Parameters:
        splits: the images.
        preprocessing: how they are resized.
        bad_images: what an image that cannot be read does.
        task: what labels are.
        accelerator: the processes that share the work.
        cache: where decoded images are stored; None where nothing is.
        used: which of ``train``, ``eval`` and ``full`` are used, and stored. Images of a split that
            is not used are hashed and not decoded.
        missing_in_eval: what a class does that has no eval image left.
        may_lose_classes: whether a class may have no readable image at all.
        verify: ``stat``: do not read files that an earlier run has read, unless they have changed.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left; or the
            processes have different images.
    """
    check_listings(splits)
    kept = cache if verify == "stat" else None
    known = yield from _known_files(splits, preprocessing, accelerator, kept)
    inspections, stored, outcomes = yield from _inspect_both(
        splits, preprocessing, accelerator, cache, used, known
    )
    for files in known.values():
        yield from files.store()
    checked = check_splits(
        splits, bad_images, task, inspections, missing_in_eval, may_lose_classes=may_lose_classes
    )
    yield from outcomes  # only now: a run that bad images stop reports nothing but them
    pixels = decoded_pixels(checked.splits, preprocessing)
    pixels |= {n: _readable(e, inspections[SPLIT_OF[n]], pixels[n]) for n, e in stored.items()}
    unread = known["digests"].unread if known else 0
    return Inspected(checked.splits, checked.manifests, pixels, checked.unreadable, unread)


def _known_files(
    splits: Splits, how: Preprocessing, accelerator: Accelerator, cache: Cache | None
) -> Generator[Notice, None, dict[str, KnownFiles]]:
    """What earlier runs have found out about these files; empty where they are read again."""
    known = {}
    if cache is not None:
        for what in ("digests", "opened"):
            known[what], notices = open_known(accelerator, cache, splits, what, how)
            yield from notices
    return known


def _inspect_both(
    splits: Splits,
    preprocessing: Preprocessing,
    accelerator: Accelerator,
    cache: Cache | None,
    used: Collection[str],
    known: Mapping[str, KnownFiles],
) -> Generator[
    Prepared | Notice, None, tuple[dict[str, Inspection], dict[str, StoredPixels], list[Stored]]
]:
    """The inspections of both splits, what is stored of them, and what is to be said of that."""
    inspections: dict[str, Inspection] = {}
    stored: dict[str, StoredPixels] = {}
    outcomes: list[Stored] = []
    check = partial(decode, how=preprocessing)
    for split_name, split in (("train", splits.train), ("eval", splits.eval)):
        names = [name for name, of in SPLIT_OF.items() if of == split_name and name in used]
        if cache is None or not names:
            inspected = inspect_split(
                split,
                split_name,
                accelerator,
                check if names else _check_nothing,
                known.get("digests"),
            )
            inspections[split_name] = yield from inspected
            continue
        mode: Mode = "stat" if known else "content"
        decodings = [
            Decoding(split, split_name, n, preprocessing, accelerator, mode) for n in names
        ]
        inspections[split_name], found, reused = yield from _find_or_store_all(
            decodings, cache, known
        )
        stored |= found
        outcomes += reused
    return inspections, stored, outcomes


def inspect_split(
    split: Split,
    split_name: str,
    accelerator: Accelerator,
    check: Callable[[bytes], object],
    known: KnownFiles | None = None,
) -> Generator[Prepared, None, Inspection]:
    """Read and hash every image of a split, and check its bytes; but for those that are ``known``
    to have passed.
    """

    def find_out(data: bytes) -> bytes:
        check(data)
        return sha256(data).digest()

    def inspect_image(index: int) -> tuple[bytes, str]:
        try:
            if known is None:
                return find_out(split.read(index)), ""
            return known.answer(split.read, index, find_out), ""
        except StorageError:
            raise
        except DataError as error:
            return b"", str(error)
        except OSError as error:
            return b"", error.strerror or str(error)

    count, title = len(split), f"reading {split_name} images"
    width = DIGEST if known is None else known.answered
    machines = yield from for_each_image(accelerator, count, title, inspect_image, width)
    if known is not None:
        known.keep(machines, accelerator, count)
    found = [(each.title, _inspection(each, count, width)) for each in machines]
    check_bytes(split_name, split.names, found)
    return found[0][1]


def _inspection(machine: Machine[Answers[str]], count: int, width: int) -> Inspection:
    rows, reasons = in_order(machine.answers.values(), count, width)
    start = 0 if width == DIGEST else STAMP
    return Inspection(Digests(rows[:, start : start + DIGEST].tobytes()), reasons)


def _check_nothing(data: bytes) -> None:
    """Only the hash is needed: the cache knows which images decode, or they are decoded next, or
    nobody uses them.
    """


def _find_or_store_all(
    decodings: Sequence[Decoding], cache: Cache, known: Mapping[str, KnownFiles]
) -> Generator[Prepared | Notice, None, tuple[Inspection, dict[str, StoredPixels], list[Stored]]]:
    """Read and hash every image of a split; decode and store the split unless the cache has it."""
    split, split_name = decodings[0].split, decodings[0].split_name
    accelerator = decodings[0].accelerator
    hashed = yield from inspect_split(
        split, split_name, accelerator, _check_nothing, known.get("digests")
    )
    stored: dict[str, StoredPixels] = {}
    outcomes: list[Stored] = []
    reasons = dict(hashed.reasons)
    for decoding in decodings:
        entry, outcome = yield from find_or_store(decoding, hashed, cache)
        if isinstance(outcome, Notice):
            yield outcome
        else:
            outcomes.append(outcome)
        if entry is not None:
            stored[decoding.name] = entry
            reasons |= {int(i): why for i, why in entry.entry.index["reasons"].items()}
    if not stored:
        check = partial(decode, how=decodings[0].preprocessing)
        opened = inspect_split(split, split_name, accelerator, check, known.get("opened"))
        return (yield from opened), {}, []
    return hashed.without(reasons), stored, outcomes


def _readable(stored: StoredPixels, inspection: Inspection, anew: Pixels) -> StoredPixels:
    """The pixels of the images that can be read. ``anew``: decodes those images anew."""
    if not inspection.reasons:
        return replace(stored, decoded=anew)
    kept = [*inspection.readable]
    return replace(stored, shapes=stored.shapes[kept], starts=stored.starts[kept], decoded=anew)
