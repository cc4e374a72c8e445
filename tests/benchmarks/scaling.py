"""How feature extraction with a cache grows with the number of images: 400, 4,000 and 40,000
JPEGs of 64 × 64, or as many as are asked for.

    python tests/benchmarks/scaling.py [--counts 400,4000] [--epochs 5] [--repeats 5] [--turns 25]
                                       [--bf16]

One run for each count computes and stores; more of them, in turn, find what is stored. Prints
seconds of the whole process, of the first epoch and of a later one (the mean of a run's), peak
memory, how many times those of the next smaller set that is, and what the cache and the run store:
median [min, max] of the runs. Then cached epochs of neighbouring counts train in short turns, which
tells how many times as long they take with less noise than one run after the other does.
Where this tlf has no cache, every epoch computes everything, and it says so."""

import argparse
import statistics
import sys
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from compare import device, make
from jobs import ENVIRONMENT, contestants, has_cache, recipe
from measuring import Figures, measure, stored
from table import aligned, spread
from task import Task
from turns import Trainee, train_in_turn

HEADER = (
    "images", "run", "n", "seconds", "epoch 1 s", "epoch s", "× before", "peak MiB", "× before",
    "run MiB", "cache MiB",
)  # fmt: skip


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", default="400,4000,40000")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1, help="of the run that finds the cache")
    parser.add_argument(
        "--turns", type=int, default=10, help="of cached epochs of two counts: 2 or more"
    )
    parser.add_argument("--bf16", action="store_true")
    asked = parser.parse_args()
    if asked.turns < 2:
        parser.error("--turns is 2 or more: one tells no spread")
    asked.peers_python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make("weights", work / "resnet18.safetensors")
        tasks = {count: task(count, asked, work) for count in map(int, asked.counts.split(","))}
        cached = has_cache(sys.executable, next(iter(tasks.values())))
        first = {count: [run(one, count, work, cached)] for count, one in tasks.items()}
        runs = {"first" if cached else "no cache": first}
        compared = []
        if cached:
            second: dict[int, list[Figures]] = {count: [] for count in tasks}
            for _ in range(asked.repeats):
                for count, one in tasks.items():
                    second[count].append(run(one, count, work, cached))
            runs["second"] = second
            for few, many in pairwise(sorted(tasks)):
                compared.append(in_turn(tasks, few, many, asked.turns, work))
        lines = [line for name, found in runs.items() for line in rows(name, found, work)]
    print("\n".join([*aligned([HEADER, *lines]), *compared]))
    print(device(asked))


def task(count: int, asked: argparse.Namespace, work: Path) -> Task:
    """Feature extraction from ``count`` images, which are made."""
    data = work / f"{count}"
    make("small", data, str(count))
    return Task(
        data=data, weights=work / "resnet18.safetensors", out=work, frozen="backbone",
        augment="none", epochs=asked.epochs, lr=1e-2, bf16=int(asked.bf16), size=64,
    )  # fmt: skip


def run(one: Task, count: int, work: Path, cached: bool) -> Figures:
    """One run in a new folder, with the cache of its number of images."""
    print(f"{count:,} images", file=sys.stderr)
    one = replace(one, out=Path(tempfile.mkdtemp(dir=work)))
    tlf = contestants(sys.executable, sys.executable, cached)["tlf"]
    return measure(tlf.command(one, cache(count, work)), one.out, ENVIRONMENT, work / "none")


def in_turn(tasks: dict[int, Task], few: int, many: int, turns: int, work: Path) -> str:
    """Cached epochs of two counts in turn, as many images of each."""
    print(f"{few:,} and {many:,} images in turn", file=sys.stderr)
    trainees = []
    # One before and one after each of the other's.
    for count, epochs in ((few, max(1, round(many / few / 2))), (many, 1)):
        out, most = Path(tempfile.mkdtemp(dir=work)), epochs * (2 * turns + 1)
        task = replace(tasks[count], out=out, epochs=most)
        trainees.append(Trainee(recipe(task, cache(count, work)), epochs, ENVIRONMENT))
    return f"{few:,} → {many:,} images: cached epochs {train_in_turn(*trainees, turns).told()}"


def cache(count: int, work: Path) -> Path:
    """Where the runs on so many images store what they compute once."""
    return work / f"cache-{count}"


def rows(name: str, found: dict[int, list[Figures]], work: Path) -> list[list[str]]:
    """A line for each number of images."""
    lines, before = [], None
    for count, each in found.items():
        epoch = statistics.median(f.mean_epoch for f in each)
        peak = statistics.median(f.peak_mib for f in each)
        lines.append([
            f"{count:,}", name, str(len(each)), spread([f.seconds for f in each]),
            spread([f.first_epoch for f in each], 3), spread([f.mean_epoch for f in each], 3),
            f"{epoch / before[0]:.1f}" if before else "–", spread([f.peak_mib for f in each], 0),
            f"{peak / before[1]:.2f}" if before else "–", f"{each[0].stored_mib:.0f}",
            f"{stored(cache(count, work)) / 2**20:.0f}",
        ])  # fmt: skip
        before = epoch, peak
    return lines


if __name__ == "__main__":
    main()
