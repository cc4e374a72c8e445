"""tlf in a warm process: a recipe for each line."""

import time
from pathlib import Path
from tempfile import mkdtemp

import torch
from warm import Work, serve, synchronize, watched

import tlf
from tlf.cli.process import keep_memory

RECIPE = """seed = 0
precision = "{precision}"
tf32 = {tf32}
batch_size = {batch}
output = "{output}"
data = {{ kind = "folder", root = "{data}" }}
transforms = {{ augment = "{augment}", size = {size}, resize = {resize} }}
backbone = {{ kind = "torchvision", model = "resnet18", weights = "{weights}" }}
optimizer = {{ kind = "sgd", momentum = 0.9 }}
cache = {{ dir = "{cache}", max_gb = 40 }}
[[phases]]
name = "only"
freeze = {freeze}
epochs = {epochs}
lr = {lr}
"""


def main(work: Work) -> Work:
    """Seconds of a run, of its parts and of its epochs."""
    folder = Path(mkdtemp(dir=work["folder"]))
    recipe = folder / "recipe.toml"
    recipe.write_text(
        RECIPE.format(
            **{**work, "output": folder / "run"},
            tf32=str(work["precision"] == "tf32").lower(),
        ).replace('precision = "tf32"', 'precision = "no"').replace('"float32"', '"no"')
    )  # fmt: skip
    profiled = work.get("profile", False)
    began = time.perf_counter()
    with watched() as figures, profiling(enabled=profiled) as profile:
        parts, epochs = watch(recipe)
    synchronize()
    answer = {
        "seconds": time.perf_counter() - began, "parts": parts, **figures,
        "epoch_seconds": [e.seconds for e in epochs],
        "images_per_second": [e.images_per_second for e in epochs],
        "train_loss": epochs[-1].train_loss, "top1": epochs[-1].eval_top1,
    }  # fmt: skip
    if profiled:
        by = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        answer["profile"] = profile.key_averages().table(sort_by=by, row_limit=14)
        answer["profile_cpu"] = profile.key_averages().table(
            sort_by="self_cpu_time_total", row_limit=14
        )
    return answer


def profiling(*, enabled: bool) -> torch.profiler.profile:
    """torch's profiler of host and device, or one that records nothing."""
    kinds = [torch.profiler.ProfilerActivity.CPU] if enabled else []
    if enabled and torch.cuda.is_available():
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    from contextlib import nullcontext

    return torch.profiler.profile(activities=kinds) if enabled else nullcontext()


def watch(recipe: Path) -> tuple[dict[str, list[float]], list[tlf.EpochResult]]:
    """What is prepared: its title → images and seconds between its first and last report; and the
    epochs."""
    times: dict[str, list[tuple[float, int]]] = {}
    epochs = []
    for event in tlf.run(recipe):
        if isinstance(event, tlf.EpochResult):
            epochs.append(event)
        elif type(event).__name__ == "Prepared":
            times.setdefault(event.title, []).append((time.perf_counter(), event.done))
    parts = {
        title: [float(each[-1][1] - each[0][1]), each[-1][0] - each[0][0]]
        for title, each in times.items()
    }
    return parts, epochs


if __name__ == "__main__":
    keep_memory()  # as the command line does
    serve(main)
