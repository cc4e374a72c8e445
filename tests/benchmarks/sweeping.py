"""What `tlf sweep` costs where the backbone is frozen: trials share its features.

    python tests/benchmarks/sweeping.py [--images 400] [--trials 50]

Drawn ants and bees as JPEGs of about 500 × 375, 250 of 400 to train on; ResNet-18 of timm at 224
pixels with random weights; a recipe that trains the head for 20 epochs. Each row is a process of
its own with an empty cache, from the first image on: what was imported before is not counted.

1. One run of the recipe.
2. A sweep over rate and weight decay, with the median rule and without it.

Prints seconds. Where others use the machine, look at processor seconds."""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs import ENVIRONMENT
from material import make_images
from measuring import machine
from table import aligned

RECIPE = """
output = "{folder}/run"
report = false
data = {{ kind = "folder", root = "{folder}/images" }}
backbone = {{ kind = "timm", model = "resnet18", weights = "none" }}
optimizer = "adamw"
[[phases]]
name = "head"
freeze = "backbone"
epochs = 20
lr = 1e-2
scheduler = "cosine"
"""
RANGES = ["phases.head.lr=1e-4..1e-1", "optimizer.weight_decay=1e-4..1e-1"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--contestant", choices=["run", "pruned", "whole"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contestant:
        print("seconds", *measured(asked.contestant, asked.folder, asked.trials))
        return
    rows = [["", "seconds", "CPU seconds", "CPU of one run"]]
    with tempfile.TemporaryDirectory() as name:
        folder, train = Path(name), asked.images * 5 // 8
        make_images(folder / "images", train, asked.images - train)
        (folder / "mine.toml").write_text(RECIPE.format(folder=folder))
        one = taken("run", folder, asked.trials)
        rows.append(["one run", f"{one[0]:.1f}", f"{one[1]:.1f}", "1.0"])
        for contestant in ("pruned", "whole"):
            wall, cpu = taken(contestant, folder, asked.trials)
            title = f"{asked.trials} trials{', without pruning' if contestant == 'whole' else ''}"
            rows.append([title, f"{wall:.1f}", f"{cpu:.1f}", f"{cpu / one[1]:.1f}"])
    print(*aligned(rows), sep="\n")
    print(machine())


def taken(contestant: str, folder: Path, trials: int) -> tuple[float, float]:
    """Seconds and processor seconds, in a process of its own with an empty cache."""
    command = [sys.executable, __file__, "--contestant", contestant, "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--trials", str(trials)], text=True, stdout=subprocess.PIPE, check=True,
        env=ENVIRONMENT | {"TLF_CACHE": str(folder / f"cache-{contestant}")},
    )  # fmt: skip
    _, wall, cpu = done.stdout.splitlines()[-1].split()
    return float(wall), float(cpu)


def measured(contestant: str, folder: Path, trials: int) -> tuple[float, float]:
    """Seconds and processor seconds of this process, and of those that it starts."""
    import optuna.samplers  # noqa: F401
    import sklearn.ensemble  # noqa: F401
    import timm  # noqa: F401

    import tlf
    import tlf.runs.run
    import tlf.studies.sweep.sweep
    import tlf.studies.sweep.trial_runs

    gc.freeze()  # as the command line does
    recipe, wall, cpu = folder / "mine.toml", time.perf_counter(), sum(os.times()[:4])
    if contestant == "run":
        *_, last = tlf.run(recipe)
        assert len(last.history) == 20
    else:
        pruning, output = contestant == "pruned", folder / contestant
        *_, last = tlf.sweep(recipe, RANGES, trials=trials, pruning=pruning, output=output)
        assert len(last.trials) == trials
    return time.perf_counter() - wall, sum(os.times()[:4]) - cpu


if __name__ == "__main__":
    main()
