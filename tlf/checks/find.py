"""Everything that a check finds out about the images of both splits, by their embeddings."""

import json
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING

from tlf.cache.entry import EntryKey
from tlf.cache.keys import engine, processor
from tlf.cache.store import Cache
from tlf.checks.appearances import Appearances, look_at
from tlf.checks.findings import (
    Duplicates,
    Findings,
    ImageRef,
    Inseparable,
    LabelSuspect,
    OddSize,
    read_findings,
)
from tlf.checks.inseparable import find_inseparable
from tlf.checks.label_suspects import find_suspects
from tlf.checks.multi_label.by_probes import by_probes
from tlf.checks.near_duplicates import find_duplicates
from tlf.checks.neighbours import NEIGHBOURS, directions, nearest
from tlf.checks.odd_sizes import find_odd_sizes
from tlf.checks.probe import FOLDS, limited_threads, out_of_fold, together
from tlf.components import Splits
from tlf.data.decoding.libraries import decoders
from tlf.data.embedded import EmbeddedSplits
from tlf.data.listing.compact import Groups
from tlf.data.splits import listed
from tlf.errors import NotFiniteError
from tlf.events import Prepared, Stored
from tlf.runtime.strict_json import dumps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MANY = 5_000
"""From so many images on, products on several threads are faster."""
_SEED = 0
"""What the folds of the probe are drawn from: the same images always give the same findings."""


def findings_of(
    embedded: EmbeddedSplits, cache: Cache | None
) -> Generator[Prepared | Stored, None, Findings]:
    """What a check of images finds, also where it is no check of its own: in a report.

    Parameters:
        embedded: the images.
        cache: where it is stored, so that the same images are not compared again; None: nowhere.
    """
    return _complete((yield from _found(embedded, cache)), embedded)


def stored_findings(
    embedded: EmbeddedSplits, cache: Cache
) -> Generator[Stored, None, Findings | None]:
    """What an earlier check of the same embeddings has found; None if nothing is stored."""
    found = yield from _stored(cache, _key(embedded))
    return None if found is None else _complete(found, embedded)


def _complete(found: Findings, embedded: EmbeddedSplits) -> Findings:
    """The findings with the unreadable images, which are no part of what is stored."""
    unreadable = tuple((image.split, image.name, image.why) for image in embedded.unreadable)
    return replace(found, unreadable=unreadable)


def _found(
    embedded: EmbeddedSplits, cache: Cache | None
) -> Generator[Prepared | Stored, None, Findings]:
    if cache is None or not embedded.manifests:
        return (yield from find(embedded))
    key = _key(embedded)
    if (stored := (yield from _stored(cache, key))) is not None:
        return stored
    found = yield from find(embedded)
    data = dumps(asdict(found)).encode()
    with suppress(OSError):  # what there is no room for is found again next time
        cache.store(key, data)
        yield Stored(key.title, len(data), reused=False)
    return found


def _stored(cache: Cache, key: EntryKey) -> Generator[Stored, None, Findings | None]:
    with suppress(OSError):  # what cannot be read is found again
        if entry := cache.find(key, lambda entry: entry.bytes > 0):
            stored = read_findings(json.loads(entry.read(0, entry.bytes).tobytes()))
            yield Stored(key.title, entry.bytes, reused=True)
            return stored
    return None


def _key(embedded: EmbeddedSplits) -> EntryKey:
    """Everything that the findings depend on."""
    rows = (embedded.train, embedded.eval)
    depends = {
        "images": dict(embedded.manifests),
        "classes": [*embedded.splits.classes],
        "embeddings": [sha256(each.tobytes()).hexdigest() for each in rows],
        "preprocessing": dict(embedded.preprocessing),
        "processor": processor(),
        "decoders": decoders(),
        "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
        "tlf": engine(),
    }
    if _know_groups(embedded.splits):
        depends["groups"] = sha256(repr(_groups(embedded.splits).tolist()).encode()).hexdigest()
    images = sum(map(len, rows))
    return EntryKey("findings", f"findings of a check of {images} images", depends)


def find(embedded: EmbeddedSplits) -> Generator[Prepared, None, Findings]:
    """Find out about the images of both splits; their files are left as they are.

    Every file is read once more, for its hash, its size and a small image; yields how far that is.
    Unreadable images are not among those of the splits; who has read them knows them.

    Raises:
        NotFiniteError: an embedding is not a finite number.
        DataError, OSError: an image can no longer be read.
    """
    import numpy as np

    splits = embedded.splits
    both = np.concatenate([embedded.train, embedded.eval])
    _check_finite(splits, both)
    appearances = yield from look_at(splits, embedded.pixels)
    # Where images are few, several threads would wait for each other.
    with limited_threads(1 if len(both) < _MANY else None):
        return _compared(embedded, directions(both), appearances)


def _compared(
    embedded: EmbeddedSplits, rows: "NDArray[np.float32]", appearances: Appearances
) -> Findings:
    import numpy as np

    splits, images = embedded.splits, _images(embedded)
    both = [*splits.train.labels, *splits.eval.labels]
    labels = embedded.task.array(both, len(splits.classes))
    groups = find_duplicates(appearances, rows)
    of_group = np.arange(len(images))
    for group in groups:
        of_group[list(group.images)] = group.images[0]
    if _know_groups(splits):
        # Images of a patient or a camera, too, would teach a probe their label.
        of_group = together(of_group, _groups(splits))
    if labels.ndim == 2:
        suspects, inseparable, notes = by_probes(embedded, images, labels, rows, of_group, _SEED)
    else:
        suspects, inseparable, notes = _by_probe(splits.classes, images, labels, rows, of_group)
    return Findings(
        images={"train": len(splits.train), "eval": len(splits.eval)},
        class_counts=_class_counts(embedded),
        duplicates=tuple(
            Duplicates(tuple(images[i] for i in group.images), group.equal, group.similarity)
            for group in groups
        ),
        suspects=suspects,
        inseparable=inseparable,
        odd_sizes=tuple(
            OddSize(images[odd.image], *_size(appearances, odd.image), odd.why)
            for odd in find_odd_sizes(appearances.sizes)
        ),
        notes=notes,
    )


def _know_groups(splits: Splits) -> bool:
    return any(split.groups is not None for split in (splits.train, splits.eval))


def _groups(splits: Splits) -> "NDArray[np.int64]":
    """The number of each image's group (N,), the same in both splits. An image is alone where the
    groups of its split are not known.
    """
    import numpy as np

    both = (splits.train, splits.eval)
    known = Groups(group for split in both for group in split.groups or ())
    numbers = len(known.names) + np.arange(sum(map(len, both)))
    grouped = np.repeat([split.groups is not None for split in both], [*map(len, both)])
    numbers[grouped] = np.asarray(known.numbers)
    return numbers


def _by_probe(
    classes: Sequence[str],
    images: tuple[ImageRef, ...],
    labels: "NDArray[np.int64]",
    rows: "NDArray[np.float32]",
    groups: "NDArray[np.int64]",
) -> tuple[tuple[LabelSuspect, ...], tuple[Inseparable, ...], tuple[str, ...]]:
    """What a probe finds among the classes that have enough images for it, and why others are left
    out.
    """
    import numpy as np

    pictures = [len(np.unique(groups[labels == each])) for each in range(len(classes))]
    large = [each for each, count in enumerate(pictures) if count >= FOLDS]
    notes = _left_out(classes, pictures)
    if len(large) < 2:
        return (), (), notes
    judged = np.flatnonzero(np.isin(labels, large))
    known = np.searchsorted(large, labels[judged])
    probabilities = out_of_fold(rows[judged], known, groups[judged], _SEED)
    names = [classes[each] for each in large]
    found = find_suspects(probabilities, known)
    positions = judged[[suspect.image for suspect in found]]
    suspects = tuple(
        LabelSuspect(
            image=images[position],
            proposed=names[suspect.proposed],
            own_probability=suspect.own_probability,
            proposed_probability=suspect.proposed_probability,
            neighbours=tuple(images[i] for i in near),
        )
        for suspect, position, near in zip(
            found, positions, nearest(rows, NEIGHBOURS, of=positions), strict=True
        )
    )
    pairs = tuple(
        Inseparable((names[pair.classes[0]], names[pair.classes[1]]), pair.error, pair.images)
        for pair in find_inseparable(probabilities, known)
    )
    return suspects, pairs, notes


def _left_out(classes: Sequence[str], pictures: Sequence[int]) -> tuple[str, ...]:
    """A sentence about the classes that no probe can learn."""
    small = [name for name, count in zip(classes, pictures, strict=True) if count < FOLDS]
    if not small:
        return ()
    return (
        f"labels of {listed(small, 3)} were not judged: a class needs {FOLDS} different images",
    )


def _images(embedded: EmbeddedSplits) -> tuple[ImageRef, ...]:
    """The images of both splits, train first."""
    splits = embedded.splits
    return tuple(
        ImageRef(name, index, split.names[index], embedded.task.names(label, splits.classes))
        for name, split in (("train", splits.train), ("eval", splits.eval))
        for index, label in enumerate(split.labels)
    )


def _class_counts(embedded: EmbeddedSplits) -> dict[str, dict[str, int]]:
    """Split → class → images."""
    splits, classes = embedded.splits, embedded.splits.classes
    counts = {
        name: embedded.task.class_counts(split.labels, len(classes))
        for name, split in (("train", splits.train), ("eval", splits.eval))
    }
    return {name: dict(zip(classes, each, strict=True)) for name, each in counts.items()}


def _size(appearances: Appearances, image: int) -> tuple[int, int]:
    width, height = appearances.sizes[image].tolist()
    return width, height


def _check_finite(splits: Splits, embeddings: "NDArray[np.float32]") -> None:
    """Check that images can be compared.

    Raises:
        NotFiniteError: names the first image of which they cannot.
    """
    import numpy as np

    broken = np.flatnonzero(~np.isfinite(embeddings).all(1))
    if not len(broken):
        return
    names = (*splits.train.names, *splits.eval.names)
    raise NotFiniteError(
        f"the backbone's features must be finite numbers, got others for {len(broken)} of "
        f"{len(names)} images, the first of which is {names[broken[0]]!r}; write other weights or "
        'precision = "no"'
    )
