"""The jobs that are compared, and who does them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "contestants"))

from task import Task  # noqa: E402

UNSET = ("OMP_NUM_THREADS", "PYTHONDONTWRITEBYTECODE")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in UNSET},
    "PYTHONPATH": os.pathsep.join(
        filter(None, [str(HERE.parent.parent), os.environ.get("PYTHONPATH")])
    ),
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
}
"""tlf from this repository, compiled as an installed package is, all cores, no GPU."""


@dataclass(frozen=True)
class Job:
    """What everybody does with the same images."""

    title: str
    frozen: str
    augment: str
    epochs: int
    bf16: bool
    lr: float


JOBS = {
    "features-float32": Job(
        "feature extraction, fixed transforms, float32", "backbone", "none", 25, False, 1e-2
    ),
    "features": Job(
        "feature extraction, fixed transforms, bf16", "backbone", "none", 25, True, 1e-2
    ),
    "last-block": Job(
        "last block and head, fixed transforms, bf16", "layer3", "none", 10, True, 1e-3
    ),
    "fresh": Job("feature extraction, crop-flip, bf16", "backbone", "crop-flip", 5, True, 1e-2),
    "full": Job("full fine-tuning, crop-flip, bf16", "nothing", "crop-flip", 2, True, 1e-3),
    "full-float32": Job(
        "full fine-tuning, crop-flip, float32", "nothing", "crop-flip", 2, False, 1e-3
    ),
}

RECIPE = """seed = {seed}
precision = "{precision}"
batch_size = {batch_size}
output = "{output}"
report = false
data = {{ kind = "folder", root = "{data}" }}
backbone = {{ kind = "{library}", model = "{model}", weights = "{weights}" }}
optimizer = {{ kind = "sgd", momentum = 0.9 }}
[transforms]
augment = "{augment}"
size = {size}
resize = {resize}
crop_from = "{crop_from}"
[[phases]]
name = "only"
freeze = {freeze}
epochs = {epochs}
lr = {lr}
"""
FREEZE = {
    "backbone": '"backbone"',
    "layer3": '{ kind = "up-to", stage = "layer3" }',
    "nothing": '"nothing"',
}

Command = Callable[[Task, Path], list[str]]
"""A task and the folder for a cache → what is run."""


@dataclass(frozen=True)
class Contestant:
    """Somebody who does the jobs."""

    title: str
    command: Command
    package: str = ""
    """What has to be installed."""
    bf16: bool | None = None
    """Whether it computes in bf16; None: as the job says."""
    epochs_alike: bool = True
    """Whether every epoch costs the same, so that a few tell what many take."""
    warm: bool = False
    """Whether it comes after another one and finds its cache filled."""
    crop_from: str = "file"
    """What it cuts random crops from."""
    by_hand: bool = False
    """Whether it is written for ResNet-18 alone."""

    def takes_part(self, job: Job, model: str) -> bool:
        """A float32 job is not for those that are switched to bf16, and one without crops is not
        for those that cut them from something else."""
        crops = job.augment == "crop-flip" or self.crop_from == "file"
        return crops and (job.bf16 or not self.bf16) and (model == "resnet18" or not self.by_hand)

    def settled(self, task: Task) -> Task:
        """The task as this contestant does it."""
        task = replace(task, crop_from=self.crop_from)
        if self.bf16 is None:
            return task
        return replace(task, bf16=0, tuned=int(self.bf16))


def contestants(python: str, peers_python: str, cached: bool) -> dict[str, Contestant]:
    """Everybody, in the order of the table. ``cached``: tlf has a cache."""

    def script(name: str, by: str) -> Command:
        return lambda task, _: [by, str(HERE / "contestants" / f"{name}.py"), *task.arguments()]

    def tlf(task: Task, cache: Path) -> list[str]:
        return [python, "-m", "tlf", *recipe(task, cache if cached else None)]

    peers = {
        "fastai": "fastai_learner",
        "lightning": "lightning_trainer",
        "transformers": "transformers_trainer",
    }
    found = {
        "plain": Contestant("plain loop", script("plain", python), bf16=False),
        "plain-resized": Contestant(
            "plain loop, crops of resized images", script("plain", python), bf16=False,
            crop_from="resized",
        ),
        "tlf": Contestant("tlf", tlf, epochs_alike=False),
        "tlf-resized": Contestant(
            "tlf, crops of resized images", tlf, epochs_alike=False, crop_from="resized"
        ),
        "tlf-warm": Contestant("tlf, second run", tlf, epochs_alike=False, warm=True),
        "limit": Contestant(
            "the limit", script("limit", python), epochs_alike=False, by_hand=True
        ),
    }  # fmt: skip
    if not cached:
        del found["tlf-warm"]
    for package, file in peers.items():
        by = script(file, peers_python)
        found[package] = Contestant(package, by, package, bf16=False)
        found[f"{package}-tuned"] = Contestant(f"{package}, tuned", by, package, bf16=True)
    return found


def recipe(task: Task, cache: Path | None) -> list[str]:
    """Write the recipe of a task; its path and the overrides."""
    path = task.out / "recipe.toml"
    path.write_text(
        RECIPE.format(
            seed=task.seed, precision="bf16" if task.bf16 else "no", batch_size=task.batch_size,
            output=task.out / "run", data=task.data, augment=task.augment, size=task.size,
            resize=task.resize, crop_from=task.crop_from, model=task.model, weights=task.weights,
            library="torchvision" if task.model == "resnet18" else "timm",
            freeze=FREEZE[task.frozen],
            epochs=task.epochs, lr=task.lr,
        )
    )  # fmt: skip
    return [str(path), *([f"cache.dir={json.dumps(str(cache))}"] if cache else [])]


def has_cache(python: str, task: Task) -> bool:
    """Whether this tlf takes ``cache.dir``."""
    command = [python, "-m", "tlf", "explain", *recipe(task, task.out / "cache")]
    asked = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if asked.returncode and "cache" not in asked.stderr:
        raise SystemExit(f"tlf does not take the recipe:\n{asked.stderr}")
    return asked.returncode == 0


def installed(python: str, package: str) -> bool:
    """Whether a package is there, without importing it."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    return subprocess.run([python, "-c", code], env=ENVIRONMENT, check=False).returncode == 0
