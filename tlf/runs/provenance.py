"""Where a run's results come from: versions, plugins, hashes, hardware, git revision."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from tlf.runs.folder import FORMAT
from tlf.runtime.devices import describe
from tlf.training.job import Job

_LIBRARIES = ("tlf", "torch", "torchvision", "timm", "accelerate", "safetensors", "pillow", "numpy")


def provenance(job: Job) -> dict[str, Any]:
    """Everything that somebody needs to get the same result."""
    return {
        "format": FORMAT,
        "versions": {"python": platform.python_version()} | {n: version(n) for n in _LIBRARIES},
        "plugins": [
            {"name": p.name, "distribution": p.distribution, "version": p.version}
            for p in job.plan.plugins.loaded
        ],
        "backbone_sha256": job.backbone_sha256,
        "data_sha256": dict(job.manifests),
        "images": {"train": len(job.splits.train), "eval": len(job.splits.eval)},
        "precision": job.accelerator.mixed_precision,
        "hardware": {
            "device": describe(job.accelerator),
            "machine": platform.platform(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        },
        "git_revision": _git_revision(Path(job.plan.source).absolute().parent),
        "notes": list(job.splits.notes),
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
