"""Whether a run knows what it does not know: coverage, temperature, false alarms and detection.

    python tests/benchmarks/unsure.py --weights EFFICIENTNET_LITE0 CIFAR ANTS_AND_BEES
    python tests/benchmarks/unsure.py --weights … CIFAR ANTS_AND_BEES --splits 20 --epochs 10

CIFAR and ANTS_AND_BEES are folders with a train and an eval split. The backbone is frozen. Each set
is drawn anew into train, calibration and test images, 20 times. A linear head is trained as
a recipe does, and its best epoch is chosen by the calibration images, as a run chooses it by its
eval split. Nothing has seen the test images. Each row is one set and one number of calibration
images: means over the splits, and in brackets the smallest and largest or a 95 % interval.
"""

import argparse
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from measuring import machine
from PIL import Image
from returned import returned
from torch import Tensor, nn

from tlf.inference.calibrated import calibrate
from tlf.inference.train_images import train_images
from tlf.metrics.conformal import coverage_spread
from tlf.recipe.plan import planned
from tlf.runs.record import opened
from tlf.tasks import TASKS
from tlf.training.embeddings import embeddings

TASK = TASKS["single-label"]
LEVELS = (0.8, 0.9, 0.95)
SIDE = 128
BINS = 15
FOLDS = 5
FEW = 1000
"""Sets with fewer train images are measured out of fold, too."""


@dataclass(frozen=True)
class Set:
    """All images of a data set."""

    embeddings: Tensor
    labels: Tensor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cifar", type=Path)
    parser.add_argument("insects", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--only", choices=["CIFAR-10", "ants and bees"], help="one of the sets")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        noise = draw_noise(Path(folder))
        sets = {
            name: read(data, asked.weights)
            for name, data in {
                "CIFAR-10": {"kind": "folder", "root": str(asked.cifar)},
                "ants and bees": {"kind": "folder", "root": str(asked.insects)},
                "noise": {"kind": "folder", "root": str(noise)},
                "drawings": {"kind": "starter"},
            }.items()
        }
    print(machine("torch", "timm"))
    for name, counts in {"CIFAR-10": (100, 500, 1000), "ants and bees": (50, 100)}.items():
        if asked.only not in (None, name):
            continue
        others = {other: found for other, found in sets.items() if other != name}
        for count in counts:
            splits = [
                drawn(sets[name], count, others, asked.epochs, s) for s in range(asked.splits)
            ]
            print(f"\n{name}, {count} calibration images, {asked.splits} splits")
            for key in splits[0]:
                print(f"  {key:34}", shown([split[key] for split in splits]))
    for level in LEVELS:
        print(
            f"spread at {level}:",
            *(f"n={n} {coverage_spread(n, level):.3f}" for n in (50, 100, 500, 1000)),
        )


def draw_noise(folder: Path) -> Path:
    """400 images of 32 × 32: of independent pixels, and of smooth blobs."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind, side in (("pixels", 32), ("blobs", 5)):
            place = folder / split / kind
            place.mkdir(parents=True)
            for number in range(100):
                values = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
                Image.fromarray(values).resize((32, 32)).save(place / f"{number}.png")
    return folder


def read(data: dict[str, str], weights: Path) -> Set:
    """The embeddings of all images of a data set, both splits together."""
    recipe = {
        "output": "unused", "data": data | {"bad_images": "skip"}, "workers": 0,
        "transforms": {"size": SIDE, "resize": SIDE * 8 // 7},
        "backbone": {
            "kind": "timm", "model": "tf_efficientnet_lite0", "weights": str(weights.resolve())
        },
        "phases": [{"name": "head", "freeze": "backbone", "epochs": 1, "lr": 0.01}],
    }  # fmt: skip
    job = returned(opened(planned(recipe, "unsure.py")))
    with job.loaders:
        found = returned(embeddings(job))
    return Set(
        torch.cat([found.train, found.eval]), torch.cat([job.labels["train"], job.labels["eval"]])
    )


def drawn(
    images: Set, count: int, others: dict[str, Set], epochs: int, seed: int
) -> dict[str, float]:
    """The figures of one split."""
    places = torch.randperm(len(images.labels), generator=torch.Generator().manual_seed(seed))
    most = len(places) // 3
    test, calibration, train = places[:most], places[most : most + count], places[most + count :]
    head, best = trained(images, train, calibration, epochs, seed)
    with torch.inference_mode():
        logits = head(images.embeddings[torch.cat([calibration, test])])
    probabilities = TASK.probabilities(logits)
    labels, figures = images.labels, {}
    figures["test top-1"] = mean(probabilities[count:].argmax(1) == labels[test])
    for level in LEVELS:
        found = calibrate(
            TASK, logits[:count], probabilities[:count], labels[calibration], level, "eval"
        )
        kept = probabilities[count:] >= (found.threshold or 0)
        figures[f"coverage at {level}"] = mean(kept[torch.arange(most), labels[test]])
        figures[f"labels kept at {level}"] = mean(kept.sum(1))
        figures[f"unsure at {level}"] = mean(kept.sum(1) != 1)
        softened = TASK.probabilities(logits / found.temperature)
        warm = calibrate(TASK, logits[:count], softened[:count], labels[calibration], level, "eval")
        warm_kept = softened[count:] >= (warm.threshold or 0)
        figures[f"… with temperature, kept at {level}"] = mean(warm_kept.sum(1))
    figures["temperature"] = found.temperature
    for name, before, after in zip(
        ("NLL", "ECE"), scores(probabilities[count:], labels[test]),
        scores(softened[count:], labels[test]), strict=True,
    ):  # fmt: skip
        figures |= {f"{name} before": before, f"{name} after − before": after - before}
    if len(train) < FEW:
        figures |= out_of_fold(images, train, probabilities[count:], labels[test], best, seed)
    return figures | alarms(images, train, calibration, test, others)


def out_of_fold(
    images: Set, train: Tensor, probabilities: Tensor, labels: Tensor, epochs: int, seed: int
) -> dict[str, float]:
    """The coverage on test images, by thresholds of ``calibration = "out-of-fold"``."""
    logits = torch.empty(len(train), probabilities.shape[1])
    for number in range(FOLDS):
        inside = torch.arange(len(train)) % FOLDS == number
        head, _ = trained(images, train[~inside], None, epochs, seed)
        with torch.inference_mode():
            logits[inside] = head(images.embeddings[train[inside]])
    own = TASK.probabilities(logits)
    figures = {}
    for level in LEVELS:
        found = calibrate(TASK, logits, own, images.labels[train], level, "out-of-fold")
        kept = probabilities >= (found.threshold or 0)
        covered = kept[torch.arange(len(labels)), labels]
        figures[f"out-of-fold, coverage at {level}"] = mean(covered)
    return figures


def alarms(
    images: Set, train: Tensor, calibration: Tensor, test: Tensor, others: dict[str, Set]
) -> dict[str, float]:
    """How often images of the same kind and others are called unlike training."""
    names = [str(place) for place in train.tolist()]
    known = train_images(names, names, images.embeddings[train], images.embeddings[calibration])
    kinds = {"false alarms": images.embeddings[test]} | {
        f"detected: {name}": other.embeddings for name, other in others.items()
    }
    return {
        name: float(np.mean(known.unlike(known.similarities(embedded))))
        for name, embedded in kinds.items()
    }


def trained(
    images: Set, train: Tensor, calibration: Tensor | None, epochs: int, seed: int
) -> tuple[nn.Module, int]:
    """A linear head after its best epoch, and how many epochs that are: SGD with momentum, batches
    of 32, lr 0.01. Without calibration images it is the last epoch.
    """
    torch.manual_seed(seed)
    head = nn.Linear(images.embeddings.shape[1], int(images.labels.max()) + 1)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.01, momentum=0.9)
    best, kept, at = -1.0, {}, 0
    for epoch in range(epochs):
        for batch in train[torch.randperm(len(train))].split(32):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(head(images.embeddings[batch]), images.labels[batch])
            loss.backward()
            optimizer.step()
        if calibration is None:
            continue
        with torch.inference_mode():
            right = head(images.embeddings[calibration]).argmax(1) == images.labels[calibration]
        if mean(right) > best:
            best, at = mean(right), epoch
            kept = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    if calibration is not None:
        head.load_state_dict(kept)
    return head, at + 1


def scores(probabilities: Tensor, labels: Tensor) -> tuple[float, float]:
    """NLL, and the expected calibration error over 15 bins of equal width."""
    own = probabilities[torch.arange(len(labels)), labels]
    sure, predicted = probabilities.max(1)
    bins = (sure * BINS).ceil().long() - 1
    gap = sure - (predicted == labels).float()
    error = sum(abs(float(gap[bins == place].sum())) for place in range(BINS)) / len(labels)
    return float(-own.log().mean()), error


def mean(values: Tensor) -> float:
    return float(values.double().mean())


def shown(values: list[float]) -> str:
    """The mean, its 95 % interval over splits, and the smallest and the largest value."""
    centre = statistics.mean(values)
    half = 2.09 * statistics.stdev(values) / len(values) ** 0.5  # t of 19 degrees of freedom
    return f"{centre:.4f} ± {half:.4f} [{min(values):.4f}, {max(values):.4f}]"


if __name__ == "__main__":
    main()
