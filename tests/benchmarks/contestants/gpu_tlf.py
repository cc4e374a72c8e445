"""tlf in a warm process: a recipe for each line."""

import time
from pathlib import Path
from tempfile import mkdtemp

import torch
from warm import Work, serve, synchronize, watched

import tlf
from tlf.cli.process import collect_rarely, keep_memory, settled
from tlf.events import Prepared, Updated
from tlf.results import EpochResult

RECIPE = """seed = 0
precision = "{precision}"
tf32 = {tf32}
batch_size = {batch_size}
output = "{output}"
report = false
data = {{ kind = "folder", root = "{data}" }}
backbone = {{ kind = "torchvision", model = "resnet18", weights = "{weights}" }}
optimizer = {{ kind = "sgd", momentum = 0.9 }}
cache = {{ dir = "{cache}", max_gb = 60 }}
[transforms]
augment = "{augment}"
crop_from = "{crop_from}"
size = {size}
resize = {resize}
[[phases]]
name = "only"
freeze = {freeze}
epochs = {epochs}
lr = {lr}
"""


def main(work: Work) -> Work:
    """Seconds of a run, of its parts and of its epochs."""
    folder = Path(mkdtemp(dir=work["folder"]))
    recipe = settings(work, folder)
    profile = profiler() if work["profile"] else None
    began = time.perf_counter()
    with watched() as figures:
        parts, epochs = watch(recipe, profile)
    synchronize()
    passes = [
        n / s
        for title, (n, s) in parts.items()
        if "features of" in title and "train" in title and s
    ]
    return {
        "seconds": time.perf_counter() - began, "parts": parts, **figures,
        **({"frozen_pass": passes[0]} if passes else {}),
        "epoch_seconds": [e.seconds for e in epochs],
        "images_per_second": [e.images_per_second for e in epochs],
        "train_loss": epochs[-1].train_loss, "top1": epochs[-1].eval_top1,
        **(tables(profile) if profile else {}),
    }  # fmt: skip


def settings(work: Work, folder: Path) -> Path:
    """Write the recipe of a piece of work, whose run is in the folder, too."""
    precision = {"tf32": "no", "float32": "no"}.get(work["precision"], work["precision"])
    changed = {"precision": precision, "tf32": str(work["precision"] == "tf32").lower()}
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(**{**work, **changed, "output": folder / "run"}))
    return path


def profiler() -> torch.profiler.profile:
    """torch's profiler of host and device."""
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    return torch.profiler.profile(activities=kinds)


PROFILED = (5, 15)
"""The updates that are profiled: from, and up to."""


def tables(profile: torch.profiler.profile) -> Work:
    """Where the time goes, on the device and on the host."""
    events = profile.key_averages()
    by = {"profile": "self_device_time_total", "profile_cpu": "self_cpu_time_total"}
    return {
        name: events.table(sort_by=key, row_limit=12, max_name_column_width=60)
        for name, key in by.items()
    }


def watch(
    recipe: Path, profile: torch.profiler.profile | None
) -> tuple[dict[str, tuple[float, float]], list[tlf.EpochResult]]:
    """What is prepared: its title → images and seconds between its first and last report; and the
    epochs."""
    times: dict[str, list[tuple[float, int]]] = {}
    epochs: list[tlf.EpochResult] = []
    updates = 0
    for event in settled(tlf.run(recipe)):
        if isinstance(event, EpochResult):
            epochs.append(event)
        elif isinstance(event, Prepared):
            times.setdefault(event.title, []).append((time.perf_counter(), event.done))
        elif isinstance(event, Updated) and profile:
            updates += 1
            if updates == PROFILED[0]:
                profile.start()
            elif updates == PROFILED[1]:
                synchronize()
                profile.stop()
    parts = {
        title: (float(each[-1][1] - each[0][1]), each[-1][0] - each[0][0])
        for title, each in times.items()
    }
    return parts, epochs


if __name__ == "__main__":
    # As the command line does.
    keep_memory()
    collect_rarely()
    serve(main)
