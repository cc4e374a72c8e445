"""How feature extraction with a cache grows with the number of pictures: 400, 4,000 and 40,000
JPEGs of 64 × 64, or as many as are asked for.

    python tests/benchmarks/scaling.py [--counts 400,4000] [--epochs 5] [--bf16]

Prints seconds of the first epoch, of a cached one, of the whole process and of a second run, which
finds the cache; peak memory, and what the cache and the run store. Where this tlf has no cache,
every epoch computes everything, and it says so."""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import material
from compare import device, make
from jobs import ENVIRONMENT, contestants, has_cache
from measuring import Figures, measure, stored
from task import Task

HEADER = (
    "pictures", "run", "seconds", "epoch 1 s", "epoch s", "pictures/s", "peak MiB", "run MiB",
    "cache MiB",
)  # fmt: skip


def main() -> None:
    """Measure and print, line by line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", default="400,4000,40000")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--bf16", action="store_true")
    asked = parser.parse_args()
    asked.peers_python = sys.executable
    print("".join(f"{cell:>12}" for cell in HEADER))
    with tempfile.TemporaryDirectory() as folder:
        for count in map(int, asked.counts.split(",")):
            grown(count, asked, Path(folder))
    print(device(asked))


def grown(count: int, asked: argparse.Namespace, work: Path) -> None:
    """Two runs on ``count`` pictures: without a cache, and with the one that the first left."""
    data, weights, cache = work / f"{count}", work / "resnet18.safetensors", work / f"cache-{count}"
    make("small", data, str(count))
    if not weights.exists():
        make("weights", weights)
    task = Task(
        data=data, weights=weights, out=Path(), frozen="backbone", augment="none",
        epochs=asked.epochs, lr=1e-2, bf16=int(asked.bf16), size=64,
    )  # fmt: skip
    for run in ("first", "second"):
        out = work / f"{count}-{run}"
        out.mkdir()
        task = replace(task, out=out)
        cached = has_cache(sys.executable, task)
        tlf = contestants(sys.executable, sys.executable, cached)["tlf"]
        figures = measure(tlf.command(task, cache), out, ENVIRONMENT, work / "none")
        print(row(sum(material.count(data)), run if cached else "no cache", figures, cache))
        if not cached:
            return


def row(count: int, run: str, figures: Figures, cache: Path) -> str:
    """One line of the table."""
    cells = (
        f"{count:,}", run, f"{figures.seconds:.1f}", f"{figures.first_epoch:.2f}",
        f"{figures.later_epochs:.3f}", f"{count * figures.epochs / figures.seconds:.0f}",
        f"{figures.peak_mib:.0f}", f"{figures.stored_mib:.0f}", f"{stored(cache) / 2**20:.0f}",
    )  # fmt: skip
    return "".join(f"{cell:>12}" for cell in cells)


if __name__ == "__main__":
    main()
