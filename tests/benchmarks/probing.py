"""How long `tlf probe` takes to compare three backbones, beside a plain loop by hand.

    python tests/benchmarks/probing.py [--images 400] [--repeats 3]

Drawn ants and bees as JPEGs of about 500 × 375, all but two of them to train on; three networks of
timm at 224 pixels with random weights. In turn, each in a process of its own, from the first image
on: what was imported before is not counted.

1. tlf, with an empty cache.
2. tlf again, which finds the features.
3. A plain loop: it decodes each image for each network, computes features in batches of 32, and
   asks scikit-learn for the same probes on the same number of folds (`cross_val_score`).

Prints medians [smallest, largest]. Where others use the machine, look at processor seconds."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs import ENVIRONMENT
from material import make_images
from measuring import machine
from table import aligned, spread

NETWORKS = ("resnet18", "mobilenetv3_large_100", "efficientnet_b0")
FOLDS, REPEATS = 5, 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--contestant", choices=["tlf", "plain"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contestant:
        wall, cpu = {"tlf": probe_with_tlf, "plain": probe_by_hand}[asked.contestant](asked.folder)
        print(f"seconds {wall} {cpu}")
        return
    every: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        images = make_images(Path(folder) / "images", asked.images, 2)
        for number in range(asked.repeats):
            cache = str(Path(folder) / f"cache{number}")
            for name, contestant in (
                ("tlf, empty cache", "tlf"), ("tlf, filled cache", "tlf"), ("plain loop", "plain"),
            ):  # fmt: skip
                every.setdefault(name, []).append(taken(contestant, images, cache))
    rows = [["three backbones", "seconds", "CPU seconds"]]
    for name, values in every.items():
        walls, cpus = zip(*values, strict=True)
        rows.append([name, spread(walls, 1), spread(cpus, 1)])
    print(f"{asked.images} images, n = {asked.repeats}", *aligned(rows), sep="\n")
    print(machine("torch", "timm", "scikit-learn", "tlf"))


def taken(contestant: str, images: Path, cache: str) -> tuple[float, float]:
    """Seconds and processor seconds of a contestant, in a process of its own."""
    command = [sys.executable, __file__, "--contestant", contestant, "--folder", str(images)]
    done = subprocess.run(
        command, env=ENVIRONMENT | {"TLF_CACHE": cache}, text=True, stdout=subprocess.PIPE,
        check=True,
    )  # fmt: skip
    _, wall, cpu = done.stdout.splitlines()[-1].split()
    return float(wall), float(cpu)


def clock() -> tuple[float, float]:
    """The time, and the processor's time of this process and of those it has started."""
    return time.perf_counter(), sum(os.times()[:4])


def probe_with_tlf(images: Path) -> tuple[float, float]:
    """Compare the networks with tlf."""
    import sklearn.linear_model  # noqa: F401
    import timm  # noqa: F401

    import tlf
    import tlf.studies.probe.probe

    wall, cpu = clock()
    *_, found = tlf.probe(images, [f"timm/{name}@none" for name in NETWORKS])
    assert len(found.backbones) == len(NETWORKS)
    end, cpu_end = clock()
    return end - wall, cpu_end - cpu


def probe_by_hand(images: Path) -> tuple[float, float]:
    """Compare them with timm and scikit-learn alone."""
    import numpy as np
    import timm
    import torch
    from PIL import Image
    from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    wall, cpu = clock()
    paths = sorted((images / "train").rglob("*.jpg"))
    labels = np.array([path.parent.name == "bees" for path in paths])
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
    probes = (LogisticRegression(max_iter=1000), RidgeClassifierCV(np.logspace(-3, 2, 6)))
    for name in NETWORKS:
        network = timm.create_model(name, num_classes=0).eval()
        prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
        rows = []
        with torch.inference_mode():
            for start in range(0, len(paths), 32):
                batch = [prepare(Image.open(p).convert("RGB")) for p in paths[start : start + 32]]
                rows.append(network(torch.stack(batch)).numpy())
        for probe in probes:
            piped = make_pipeline(StandardScaler(), probe)
            cross_val_score(piped, np.concatenate(rows), labels, cv=folds)
    end, cpu_end = clock()
    return end - wall, cpu_end - cpu


if __name__ == "__main__":
    main()
