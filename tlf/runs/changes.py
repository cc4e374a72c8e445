"""What has changed between the start of a run and its resuming."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlf.errors import RunError, in_shell
from tlf.recipe.overrides import given_keys
from tlf.recipe.paths import path_keys
from tlf.runs.folder import read_provenance
from tlf.runs.identity import Difference, differences, flat, job_identity
from tlf.training.job import Job

FREE = ("output", "workers", "checkpoint_every", "keep_state", "report", "tracking",
        "cache.mode", "cache.max_gb", "cache.dir", "data.verify")  # fmt: skip
"""Prefixes of the keys of a recipe that do not change the result."""

FIXED = {
    "output": "a run stays in its folder",
    "task": "the best epoch so far was measured by it",
    "monitor": "the best epoch so far was chosen by it",
    "calibration": "it decides which images are never trained on",
    "metrics": "a run keeps its metrics",
    "loss": "the losses so far were measured by it",
    "backbone": "the best epoch so far was measured with it",
    "head": "the best epoch so far was measured with it",
    "transforms": "the best epoch so far was measured on images that were prepared as before",
    "data.white": "the best epoch so far was measured on images that were prepared as before",
}
"""Prefixes of the keys of a recipe that a run cannot change → why."""

TRAINING_ONLY = {"dropout", "drop_path", "augment", "crop_from"}
"""Options of heads, backbones and transforms that change how a network trains, and neither what it
computes once it is trained nor what it is measured on."""

_PLACES = {"data_sha256": "data.", "backbone_sha256": "backbone."}
"""Hash in an identity → prefix of the keys of what is hashed: wherever it lies, it is the same."""


@dataclass(frozen=True)
class Changes:
    """What has changed since a run was started, or since it was last resumed with changes."""

    provenance: Mapping[str, Any]
    """What its provenance.json says."""
    given: tuple[Difference, ...] = ()
    """Keys of the recipe that are given another value."""
    edited: tuple[Difference, ...] = ()
    """Keys of the recipe that have another value, although none is given."""
    others: tuple[Difference, ...] = ()
    """Versions, code, weights and images; and keys that an older tlf did not have."""
    moved: tuple[str, ...] = ()
    """A sentence for each path that is another one, where the images or weights are the same."""
    unrecorded: bool = False
    """Whether an older tlf started the run, which recorded no hashes of code."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """One for each change; empty where nothing changed."""
        return tuple(one.since() for one in (*self.given, *self.edited, *self.others))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know who resumes the run."""
        missing = (
            "an older tlf started this run and recorded no hashes: a change of code or of "
            "recipe.toml since then cannot be noticed"
        )
        return (*((missing,) if self.unrecorded else ()), *self.sentences, *self.moved)


def find_changes(folder: Path, job: Job, overrides: Sequence[str] = ()) -> Changes:
    """Compare what a run is made of with what it was when it was started.

    Parameters:
        folder: the folder of the run.
        job: the run as it would be resumed.
        overrides: ``key=value``, the changes of its recipe that somebody asks for.

    Raises:
        RunError: provenance.json or recipe.toml is damaged.
    """
    recorded = read_provenance(folder)
    unrecorded = "recipe" not in recorded
    now = job_identity(job)
    try:
        recipe = (folder / "recipe.toml").read_text(encoding="utf-8")
        before = {"recipe": recipe, **recorded}
        keys = given_keys(tomllib.loads(before["recipe"]), overrides)
        free = tuple(key for key in FREE if key not in FIXED or key not in keys)
        found = [*differences(before, now, free)]
        places = {*_movable(job, before, now)}
        said = {*flat(tomllib.loads(before["recipe"])), *flat(tomllib.loads(recipe))}
        [*recorded.get("earlier", [])]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"provenance.json or recipe.toml in {folder} is damaged: "
            f"{type(error).__name__}: {error}; start a new run"
        ) from error
    moved = [one for one in found if one.part == "recipe" and one.what in places]
    recipes = [one for one in found if one.part == "recipe" and one not in moved]
    # What nobody has written is the default of an option that a newer tlf has added.
    written = [one for one in recipes if one.what in said]
    return Changes(
        recorded,
        given=tuple(one for one in recipes if _is_given(one, keys)),
        edited=tuple(one for one in written if not _is_given(one, keys)),
        others=tuple(one for one in found if one.part not in ("recipe", *keys)),
        moved=tuple(f"{one.since()}: it is the same" for one in moved),
        unrecorded=unrecorded,
    )


def _movable(job: Job, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """The keys of paths under which the same is found as before."""
    for key in path_keys(job.recipe):
        for part, prefix in _PLACES.items():
            if key.startswith(prefix) and now[part] and now[part] == before.get(part):
                yield key


def _is_given(difference: Difference, keys: Sequence[str]) -> bool:
    return any(f"{difference.what}.".startswith(f"{key}.") for key in keys)


def check_allowed(folder: Path, changes: Changes, *, changed: bool = False) -> None:
    """Check that only those keys of the recipe have changed that are given.

    Parameters:
        folder: the folder of the run.
        changes: what has changed.
        changed: whether versions, code, weights and images may be others, too.

    Raises:
        RunError: names every other change.
    """
    others = () if changed else changes.others
    if not changes.edited and not others:
        return
    advice = []
    if changes.edited:
        what, values = changes.edited[0].what, changes.edited[0].values
        example = f"{what}={values[1] if values else '…'}"
        advice.append(
            "recipe.toml in the run's folder is a record: undo the edit, and write changes after "
            f"the run, such as tlf resume {in_shell(folder)} {example}"
        )
    if others:
        advice.append("undo the changes, or resume with them: --changed")
    listed = [f"  {one.since()}" for one in (*changes.edited, *others)]
    title = f"the run in {folder} cannot be resumed as it was started:"
    raise RunError("\n".join([title, *listed, *advice]))
