"""What has changed between the start of a run and its resuming."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlf.errors import RunError
from tlf.recipe.paths import path_keys
from tlf.runs.folder import read_provenance
from tlf.runs.identity import differences, job_identity
from tlf.training.job import Job

FREE = ("output", "workers", "checkpoint_every", "cache.mode", "cache.max_gb", "cache.dir")
"""Prefixes of the keys of a recipe that do not change the result."""

_PLACES = {"data_sha256": "data.", "backbone_sha256": "backbone."}
"""Hash in an identity → prefix of the keys of what is hashed: wherever it lies, it is the same."""


@dataclass(frozen=True)
class Changes:
    """What has changed since a run was started, or since it was last resumed with changes."""

    provenance: Mapping[str, Any]
    """What its provenance.json says."""
    sentences: tuple[str, ...]
    """One for each change; empty where nothing changed."""
    moved: tuple[str, ...]
    """A sentence for each path that is another one, where the images or weights are the same."""
    unrecorded: bool
    """Whether an older tlf started the run, which recorded no hashes of code."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know who resumes the run."""
        missing = (
            "an older tlf started this run and recorded no hashes: a change of code or of "
            "recipe.toml since then cannot be noticed"
        )
        return (*((missing,) if self.unrecorded else ()), *self.sentences, *self.moved)


def find_changes(folder: Path, job: Job) -> Changes:
    """Compare what a run is made of with what it was when it was started.

    Raises:
        RunError: provenance.json or recipe.toml is damaged.
    """
    recorded = read_provenance(folder)
    unrecorded = "recipe" not in recorded
    now = job_identity(job)
    try:
        recipe = (folder / "recipe.toml").read_text(encoding="utf-8") if unrecorded else None
        before = {"recipe": recipe, **recorded}
        found = [*differences(before, now, FREE)]
        places = {*_movable(job, before, now)}
        sentences = tuple(one.since() for one in found if one.what not in places)
        moved = tuple(f"{one.since()}: it is the same" for one in found if one.what in places)
        [*recorded.get("earlier", [])]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"provenance.json or recipe.toml in {folder} is damaged: "
            f"{type(error).__name__}: {error}; start a new run"
        ) from error
    return Changes(recorded, sentences, moved, unrecorded)


def _movable(job: Job, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """The keys of paths under which the same is found as before."""
    for key in path_keys(job.recipe):
        for part, prefix in _PLACES.items():
            if key.startswith(prefix) and now[part] and now[part] == before.get(part):
                yield key


def check_none(folder: Path, changes: Changes) -> None:
    """Check that nothing has changed.

    Raises:
        RunError: names every change.
    """
    if changes.sentences:
        raise RunError(
            f"the run in {folder} cannot be resumed as it was started:\n"
            + "\n".join(f"  {sentence}" for sentence in changes.sentences)
            + "\nundo the changes, or resume with them: --changed"
        )
