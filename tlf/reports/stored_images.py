"""What a page has shown of a run's images before, besides the images: it is stored.

To find it again takes the run's files and the bytes of its images, and no torch. So the second
report of a run opens no model and compares no images.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tlf.cache.entry import EntryKey
from tlf.cache.keys import installed
from tlf.cache.store import Cache
from tlf.checks.findings import Findings, read_findings
from tlf.components import Split, Splits
from tlf.data.decoding.libraries import decoders
from tlf.data.inspection.answers import Digests
from tlf.data.inspection.known_rows import KnownRows, known_digests
from tlf.data.inspection.readable import Inspection, manifest
from tlf.errors import DataError
from tlf.recipe.plan import Plan, cache_of
from tlf.results import Neighbour
from tlf.runs.identity import plan_identity
from tlf.runs.stored_embeddings import model_digest
from tlf.runtime.cores import usable_cores
from tlf.runtime.strict_json import dumps

_CHUNK = 256
"""Images that a thread takes at a time."""


@dataclass(frozen=True)
class Comparisons:
    """What was found out about the images of a run by comparing them."""

    neighbours: Mapping[int, tuple[Neighbour, ...]]
    """Predicted image → its nearest train images."""
    findings: Findings | None
    missing: tuple[str, ...]
    """Sentences: what is not known, and why."""


@dataclass(frozen=True)
class StoredComparisons:
    """The place of the comparisons of one run in the cache."""

    cache: Cache
    key: EntryKey
    train: Split
    manifests: Mapping[str, str]
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their images."""

    def read(self) -> Comparisons | None:
        """What is stored; None if nothing is."""
        with suppress(OSError):  # what cannot be read is computed again
            if entry := self.cache.find(self.key, lambda entry: entry.bytes > 0):
                return self._comparisons(json.loads(entry.read(0, entry.bytes).tobytes()))
        return None

    def _comparisons(self, content: Mapping[str, Any]) -> Comparisons:
        findings = content["findings"]
        shown = {name for each in content["neighbours"] for name, _, _ in each}
        places = {name: place for place, name in enumerate(self.train.names) if name in shown}
        near = (self._near(each, places) for each in content["neighbours"])
        return Comparisons(
            dict(zip(content["images"], near, strict=True)),
            None if findings is None else read_findings(findings),
            (*content["missing"],),
        )

    def write(self, found: Comparisons) -> None:
        """Store them, where there is room."""
        near = [
            [(one.name, one.label, one.similarity) for one in each]
            for each in found.neighbours.values()
        ]
        content = {
            "images": [*found.neighbours],
            "neighbours": near,
            "findings": None if found.findings is None else asdict(found.findings),
            "missing": found.missing,
        }
        with suppress(OSError):  # what there is no room for is computed again next time
            self.cache.store(self.key, dumps(content).encode())

    def _near(
        self, near: Sequence[tuple[str, str, float]], places: Mapping[str, int]
    ) -> tuple[Neighbour, ...]:
        return tuple(
            Neighbour(name, label, similarity, partial(self.train.read, places[name]))
            for name, label, similarity in near
        )


def stored_comparisons(
    folder: Path, plan: Plan, splits: Splits, *, verify: str = "content"
) -> StoredComparisons | None:
    """Where the comparisons of a run are stored; None where they are not: the recipe has no cache,
    the run has no model, or an image cannot be read.

    Parameters:
        folder: the folder of the run.
        plan: its recipe.
        splits: the images.
        verify: how the run has verified them. Where it is ``stat``, files are not read again that
            have not changed since.
    """
    cache = cache_of(plan.recipe)
    if cache is None:
        return None
    try:
        model = model_digest(folder)
        known = known_digests(cache, splits) if verify == "stat" else None
        both = {"train": splits.train, "eval": splits.eval}
        manifests = {name: _manifest(split, known) for name, split in both.items()}
        depends = {
            "model": model,
            "files": [_digest(folder / name) for name in ("predictions.csv", "provenance.json")],
            "run": plan_identity(plan),
            "installed": _installed(plan),
            "finders": {name: version(name) for name in ("scipy", "scikit-learn")},
            "images": manifests,
            "classes": [*splits.classes],
            "decoders": decoders(),
        }
    except (OSError, DataError):
        return None
    images = len(splits.train) + len(splits.eval)
    key = EntryKey("comparisons", f"comparisons of {images} images for a report", depends)
    return StoredComparisons(cache, key, splits.train, manifests)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _installed(plan: Plan) -> list[str]:
    """All installed distributions, where a plugin may call any of them."""
    return sorted(installed()) if len(plan.plugins.loaded) > 1 else []


def _manifest(split: Split, known: KnownRows | None) -> str:
    """The digest of all names, labels and bytes."""

    def digest(number: int) -> bytes:
        found = None if known is None else known.digest(split.read, number)
        return sha256(split.read(number)).digest() if found is None else found

    def digests(start: int) -> bytes:
        return b"".join(map(digest, range(start, min(start + _CHUNK, len(split)))))

    with ThreadPoolExecutor(usable_cores()) as threads:
        found = b"".join(threads.map(digests, range(0, len(split), _CHUNK)))
    return manifest(split, Inspection(Digests(found), {}))
