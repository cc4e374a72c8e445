"""Where a run's results come from: what it is made of, hardware, git revision. Each time that a run
is resumed with changes, a chapter begins; the earlier ones are kept.
"""

import platform
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

import torch

from tlf.data.decoding.libraries import decoders
from tlf.errors import in_shell
from tlf.inference.metadata import read_metadata
from tlf.preprocessing import Preprocessing
from tlf.recipe.paths import starting_runs
from tlf.recipe.schema import Recipe
from tlf.runs.changes import Changes
from tlf.runs.folder import FORMAT, read_provenance, recorded_recipe
from tlf.runs.identity import job_identity
from tlf.runtime.devices import describe
from tlf.training.job import Job

_PREPARED = ("size", "resize", "mean", "std", "depth", "decoder", "reduced")
"""What a recipe may set of the preprocessing of images, in ``[transforms]``."""


def provenance(job: Job) -> dict[str, Any]:
    """Everything that somebody needs to get the same result."""
    identity = job_identity(job)
    return {
        "format": FORMAT,
        **identity,
        "versions": {"python": platform.python_version(), **identity["versions"]},
        "recipe_sha256": sha256(identity["recipe"].encode()).hexdigest(),
        "head_sha256": job.head_sha256,
        "images": {
            "train": len(job.splits.train),
            "eval": len(job.splits.eval),
            **({} if job.splits.test is None else {"test": len(job.splits.test)}),
        },
        "verify": None if job.read is None else job.read.verified,
        "precision": job.accelerator.mixed_precision,
        "hardware": {
            "device": describe(job.accelerator),
            "machine": platform.platform(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        },
        "decoders": decoders(),
        "git_revision": _git_revision(Path(job.plan.source).absolute().parent),
        "started_from": [*_started_from(job.recipe)],
        "notes": [*job.splits.notes, *job.built.notes],
    }


def next_chapter(changes: Changes, job: Job, epochs: int) -> dict[str, Any]:
    """The provenance of a run that is resumed with changes after so many epochs."""
    earlier = dict(changes.provenance)
    chapters = earlier.pop("earlier", [])
    return {
        **provenance(job),
        "after_epochs": epochs,
        "changes": [*changes.sentences],
        "earlier": [*chapters, earlier],
    }


def start_notes(recipe: Recipe, preprocessing: Preprocessing) -> tuple[str, ...]:
    """What a person should know about where training starts, if it is a run: which one, and in
    what its images were prepared otherwise.
    """
    notes = []
    for key, folder in starting_runs(recipe).items():
        note = f"training starts from the run {folder}, as {key} says"
        earlier = asdict(read_metadata(folder / "model.safetensors").preprocessing)
        now = asdict(preprocessing)
        if other := [name for name in earlier if earlier[name] != now[name]]:
            told = ", ".join(f"{name} {earlier[name]}, now {now[name]}" for name in other)
            same = [
                in_shell(f"transforms.{name}={dumps(earlier[name])}".replace(" ", ""))
                for name in other
                if name in _PREPARED
            ]
            advice = f": for the same write {' '.join(same)}" if same else ""
            note += f"; its images were prepared otherwise ({told}){advice}"
        notes.append(note)
    return tuple(notes)


def _started_from(recipe: Recipe) -> Iterator[dict[str, Any]]:
    """The run whose model a run starts from, and the runs that this one has started from."""
    for key, folder in starting_runs(recipe).items():
        model = read_metadata(folder / "model.safetensors")
        earlier = read_provenance(folder)
        soup = {"soup": earlier["soup"]} if "soup" in earlier else {}
        yield {
            "key": key,
            "folder": str(folder),
            "backbone_sha256": model.backbone["sha256"],
            "backbone": dict(recorded_recipe(folder).get("backbone", {})),
            "classes": [*model.classes],
            "metrics": dict(model.metrics),
            **{name: earlier.get(name) for name in ("recipe_sha256", "data_sha256")},
            "started_from": earlier.get("started_from", []),
            **soup,
        }


def _git_revision(folder: Path) -> str | None:
    """The git revision of the recipe's folder, if it is in a repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:  # git is not installed
        return None
    return done.stdout.strip() or None
