"""Where the cache has the embeddings of a run's images: they are found again without torch.

A run that trains nothing but the head stores what the backbone gives for each image. At its end it
notes under which keys. Whoever compares the images then opens no model.
"""

import json
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlf.cache.entry import Entry, EntryKey
from tlf.cache.store import Cache
from tlf.components import Splits
from tlf.data.decoding.arrays import shown
from tlf.data.decoding.libraries import decoders
from tlf.data.embedded import EmbeddedSplits
from tlf.data.pixel_store import Index, StoredPixels, index_of, read_values
from tlf.events import Stored
from tlf.recipe.plan import Plan, cache_of
from tlf.runs.identity import plan_identity
from tlf.runtime.seal import LONGEST_HEADER
from tlf.runtime.strict_json import dumps
from tlf.tasks import TASKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tlf.training.job import Job
    from tlf.training.segments.segment import Segment
    from tlf.training.state import State

_WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2}
"""A kind of number that embeddings are stored as → its bytes."""


def note_embeddings(folder: Path, job: "Job", state: "State") -> None:
    """Note where the embeddings of all images of a run are stored, if they are.

    Nothing is noted where plugins are loaded: one may change the model that was trained, or call
    what no key knows. And nothing is where images were left out, since whoever looks at the run has
    to read why.

    Parameters:
        folder: the folder of the run; its model is written.
        job: the run.
        state: where it is.
    """
    from tlf.training.embeddings import stored_by

    segment, plugins = stored_by(job, state), job.plan.plugins
    others = plugins.changing or [each for each in plugins.loaded if each.name != "tlf"]
    if segment is None or job.cache is None or job.unreadable or others:
        return
    parts = {name: _noted(job, segment, name) for name in ("train", "eval")}
    if not all(parts.values()):
        return
    key = _key(folder, job.plan, job.splits, job.manifests)
    note = {"preprocessing": asdict(job.preprocessing), **parts}
    with suppress(OSError):  # where there is no room for it, the model is opened
        job.cache.store(key, dumps(note).encode())


def stored_embeddings(
    folder: Path, plan: Plan, splits: Splits, manifests: Mapping[str, str]
) -> Generator[Stored, None, EmbeddedSplits | None]:
    """The images of a run and their embeddings; None if these are not stored, or no longer.

    Parameters:
        folder: the folder of the run.
        plan: its recipe.
        splits: its images, as the recipe names them.
        manifests: ``train`` and ``eval`` → SHA-256 over the names, labels and bytes of all of them.
    """
    cache = cache_of(plan.recipe)
    if cache is None:
        return None
    with suppress(OSError):  # what cannot be read is computed again
        note = _read(cache, _key(folder, plan, splits, manifests))
        train = note and _found(cache, note, "train", len(splits.train))
        evaluated = note and _found(cache, note, "eval", len(splits.eval))
        if note and train and evaluated:
            found = EmbeddedSplits(
                splits=splits,
                task=TASKS[plan.recipe.task],
                train=train.embeddings(),
                eval=evaluated.embeddings(),
                pixels={"train": train.image, "eval": evaluated.image},
                preprocessing=note["preprocessing"],
                manifests=manifests,
            )
            for entry in (train.rows, evaluated.rows):
                yield Stored(entry.title, entry.bytes, reused=True)
            return found
    return None


def model_digest(folder: Path) -> str:
    """The digest of the header of a run's model, which holds that of the whole file.

    Raises:
        OSError: the run has no model.
    """
    with (folder / "model.safetensors").open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return sha256(file.read(min(length, LONGEST_HEADER))).hexdigest()


def _key(folder: Path, plan: Plan, splits: Splits, manifests: Mapping[str, str]) -> EntryKey:
    """Everything that the embeddings depend on."""
    depends = {
        "model": model_digest(folder),
        "run": plan_identity(plan),
        "images": dict(manifests),
        "classes": [*splits.classes],
        "decoders": decoders(),
    }
    images = len(splits.train) + len(splits.eval)
    return EntryKey("embeddings", f"where the embeddings of {images} images are", depends)


def _noted(job: "Job", segment: "Segment", split: str) -> dict[str, Any] | None:
    """What a note says about a split; None if it is not stored, or in another form."""
    rows, pixels = segment.stored.get((split, None)), job.pixels[split]
    if segment.partition is None or rows is None or not isinstance(pixels, StoredPixels):
        return None
    layout = segment.partition.layout
    numbers = str(layout.dtype).removeprefix("torch.")
    if len(layout.shape) != 1 or numbers not in _WIDTHS:
        return None
    return {
        "numbers": numbers,
        "features": layout.shape[0],
        "rows": _noted_entry(rows.entry),
        "pixels": _noted_entry(pixels.entry),
    }


def _noted_entry(entry: Entry) -> dict[str, Any]:
    return {"kind": entry.kind, "title": entry.title, "key": entry.depends}


@dataclass(frozen=True)
class _StoredSplit:
    """The embeddings and the pixels of a split in the cache."""

    rows: Entry
    pixels: Entry
    index: Index
    numbers: str
    features: int
    type: str = "uint8"
    """Of the values of pixels."""

    def embeddings(self) -> "NDArray[np.float32]":
        """(N, F)."""
        import numpy as np

        data = self.rows.read(0, self.rows.bytes)
        if self.numbers == "bfloat16":  # the upper half of a float32
            rows = (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            rows = data.view(self.numbers).astype(np.float32)
        return rows.reshape(-1, self.features)

    def image(self, index: int) -> "NDArray[np.uint8]":
        """An image (C, H, W) as a person sees it: grey or RGB, in 8 bits."""
        shape, start = self.index.shapes[index].tolist(), int(self.index.starts[index])
        values = read_values(self.pixels, start, shape, self.type)
        return shown(values.transpose(1, 2, 0)).transpose(2, 0, 1)


def _read(cache: Cache, key: EntryKey) -> dict[str, Any] | None:
    entry = cache.find(key)
    if entry is None:
        return None
    note: dict[str, Any] = json.loads(entry.read(0, entry.bytes).tobytes())
    return note


def _found(cache: Cache, note: Mapping[str, Any], split: str, count: int) -> _StoredSplit | None:
    """What a note says about a split of so many images, if the cache still has it."""
    noted, depth = note[split], note["preprocessing"].get("depth", 8)
    numbers, features = noted["numbers"], noted["features"]
    size = count * features * _WIDTHS[numbers]
    rows = cache.find(EntryKey(**noted["rows"]), lambda entry: entry.bytes == size)
    wanted, value = EntryKey(**noted["pixels"]), depth // 8
    pixels = cache.find(wanted, lambda entry: index_of(entry, count, value) is not None)
    index = pixels and index_of(pixels, count, value)
    if not (rows and pixels and index):
        return None
    return _StoredSplit(rows, pixels, index, numbers, features, f"uint{depth}")
