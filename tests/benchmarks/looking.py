"""What `tlf report`, `tlf evaluate` and `tlf check` take, and their figures beside scikit-learn.

    python tests/benchmarks/looking.py [--images 400 50000] [--repeats 3]

For each number of images, a set of ten classes at 32 pixels is drawn, four fifths of it to train
on, and a head is trained on the features of a network with random weights: ResNet-18, or, of more
than 5,000 images, one of 0.2 million weights, so that most of the time goes to what is measured.
Then:

1. The commands, as whole processes, imports and exit included: with an empty cache, again with
   what the same command has stored, and with what the run has stored, features among it.
2. In this process, from the same arrays and in turn: what tlf computes, and what a script by hand
   computes with scikit-learn. Figures are computed of the eval split, the rest of all images.
   "Figures alone" leaves the bootstrap out, which the script does not do.

Prints medians [smallest, largest]. Where others use the machine, look at processor seconds."""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jobs import ENVIRONMENT
from measuring import machine
from PIL import Image
from table import aligned, spread

CLASSES, SIDE, FEATURES = 10, 32, 512
FEW = 5_000
SMALL, LARGE = 'kind = "torchvision"\nmodel = "resnet18"', 'kind = "timm"\nmodel = "test_byobnet"'
"""The network for a few images, and the one for more."""
RECIPE = """output = "run"
batch_size = 256
report = false
[data]
kind = "folder"
root = "images"
[transforms]
size = 32
resize = 32
[backbone]
{backbone}
weights = "none"
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.1
"""


class Taken(NamedTuple):
    """What a process, or a part of this one, took."""

    seconds: float
    cpu_seconds: float
    peak_mib: float = 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[400, 50_000])
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    for images in asked.images:
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder) / "images", images)
            lines = [["", "seconds", "CPU seconds", "peak MiB"]]
            lines += commands(Path(folder), images, asked.repeats)
        print(f"{images:,} images, n = {asked.repeats}", *aligned(lines), sep="\n")
        rows = [["", "tlf, CPU s", "by hand, CPU s", "tlf / by hand"]]
        rows += beside_scikit_learn(images, asked.repeats)
        print("", *aligned(rows), "", sep="\n", flush=True)
    print(machine("torch", "scikit-learn", "matplotlib", "pillow", "tlf"))


def draw(root: Path, images: int) -> None:
    """Draw images: noise in a colour of their class."""
    random = np.random.default_rng(0)
    colours = random.integers(60, 196, (CLASSES, 3))[np.arange(images) % CLASSES, None, None]
    noise = random.normal(0, 60, (images, 8, 8, 3))
    for label in range(CLASSES):
        for split in ("train", "val"):
            (root / split / f"class{label}").mkdir(parents=True)
    for number, coarse in enumerate((colours + noise).clip(0, 255).astype(np.uint8)):
        folder = root / ("val" if number % 50 < 10 else "train") / f"class{number % CLASSES}"
        Image.fromarray(coarse).resize((SIDE, SIDE)).save(folder / f"{number:06}.jpg")


def commands(folder: Path, images: int, repeats: int) -> Iterator[list[str]]:
    """A row for each command and each state of the cache."""
    backbone = SMALL if images <= FEW else LARGE
    (folder / "recipe.toml").write_text(RECIPE.format(backbone=backbone))
    taken(folder, "run", "recipe.toml")
    every = {
        "report": ["report", "run"],
        "report --no-neighbours": ["report", "run", "--no-neighbours"],
        "evaluate": ["evaluate", "run", "--output", "{new}"],
        "check": ["check", "recipe.toml", "--output", "{new}"],
    }
    for name, words in every.items():
        found: dict[str, list[Taken]] = {"empty": [], "filled": [], "of the run": []}
        for repeat in range(repeats):
            for cache, values in found.items():  # the first fills what the second finds
                stored = folder / f"cache-{name}-{repeat}"
                if cache == "of the run":
                    shutil.rmtree(stored, ignore_errors=True)
                    shutil.copytree(folder / "cache", stored)
                new = f"{name}-{repeat}-{cache}"
                command = [word.format(new=new) for word in words]
                values.append(taken(folder, *command, cache=stored.name))
            shutil.rmtree(stored, ignore_errors=True)
        for cache, values in found.items():
            columns = zip(*values, strict=True)
            figures = map(spread, columns, (1, 1, 0))
            yield [f"{name}, cache {cache}", *figures]


def taken(folder: Path, *words: str, cache: str = "cache") -> Taken:
    """Run tlf to its end.

    Raises:
        SystemExit: it failed; shows why.
    """
    environment = ENVIRONMENT | {"TLF_CACHE": str(folder / cache)}
    command = [sys.executable, "-m", "tlf", *words]
    with tempfile.TemporaryFile("w+") as printed:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=printed, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            printed.seek(0)
            raise SystemExit(f"{' '.join(command)}\nfailed:\n{printed.read()[-3000:]}")
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def beside_scikit_learn(images: int, repeats: int) -> Iterator[list[str]]:
    """A row for each thing that both compute, in turn."""
    for name, (ours, by_hand) in pairs(images).items():
        times: Mapping[str, list[float]] = {"tlf": [], "by hand": []}
        for _ in range(repeats + 1):
            times["tlf"].append(cpu_of(ours))
            times["by hand"].append(cpu_of(by_hand))
        tlf, other = (values[1:] for values in times.values())  # the first has imported
        ratios = [one / two for one, two in zip(tlf, other, strict=True)]
        yield [name, spread(tlf, 3), spread(other, 3), spread(ratios, 2)]


def cpu_of(work: Callable[[], Any]) -> float:
    """The processor seconds of some work in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def pairs(images: int) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """What is computed → tlf's way, and that of a script with scikit-learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import NearestNeighbors

    from tlf.checks.neighbours import directions, nearest
    from tlf.checks.probe import out_of_fold
    from tlf.metrics.evaluation import evaluation
    from tlf.metrics.predicted import Predicted

    random = np.random.default_rng(0)
    labels = np.arange(images) % CLASSES
    centres = random.normal(0, 0.15, (CLASSES, FEATURES))
    features = (centres[labels] + random.normal(0, 1, (images, FEATURES))).astype(np.float32)
    powers = np.exp(2 * random.normal(0, 1, (images // 5, CLASSES)))
    predicted = Predicted(
        tuple(map(str, range(images // 5))),
        labels[: images // 5],
        powers / powers.sum(1, keepdims=True),
        tuple(map(str, range(CLASSES))),
    )
    rows = directions(features)
    probe = LogisticRegression(C=1.0, max_iter=1000)
    search = NearestNeighbors(n_neighbors=6, algorithm="brute")
    return {
        "figures alone": (
            lambda: evaluation(predicted, resamples=1),
            lambda: figures_by_hand(predicted),
        ),
        "figures with 2,000 resamples": (
            lambda: evaluation(predicted),
            lambda: figures_by_hand(predicted),
        ),
        "five nearest images": (
            lambda: nearest(rows, 5),
            lambda: search.fit(rows).kneighbors(rows),
        ),
        "out-of-fold probabilities": (
            lambda: out_of_fold(rows, labels, np.arange(images), 0),
            lambda: cross_val_predict(probe, rows, labels, cv=5, method="predict_proba"),
        ),
    }


def figures_by_hand(predicted: Any) -> list[Any]:
    """The figures of an evaluation, by scikit-learn."""
    from sklearn import metrics

    labels, rows, best = predicted.labels, predicted.probabilities, predicted.predicted
    wanted = np.eye(CLASSES)[labels]
    return [
        metrics.accuracy_score(labels, best),
        metrics.top_k_accuracy_score(labels, rows, k=5),
        metrics.balanced_accuracy_score(labels, best),
        metrics.precision_recall_fscore_support(labels, best, zero_division=0),
        metrics.precision_recall_fscore_support(labels, best, average="macro", zero_division=0),
        metrics.log_loss(labels, rows),
        ((rows - wanted) ** 2).sum(1).mean(),
        metrics.confusion_matrix(labels, best),
    ]


if __name__ == "__main__":
    main()
