"""What remedies against imbalance do: class weights, the balanced sampler, logit adjustment.

    python tests/benchmarks/imbalance.py CIFAR10 [--seeds 5] [--epochs 30] [--side 64]
    --backbone '{ kind = "timm", model = "tf_efficientnet_lite0", weights = "FILE" }'

CIFAR10 is a folder with a train and a test split. Each seed makes the train split long-tailed: it
draws which classes are rare, and which images they keep, from all down to a fiftieth on an
exponential curve (Cui et al. 2019, arXiv:1901.05555). All test images are evaluated, equally many
of each class. The backbone is frozen, a linear head trains on its stored features, and the epoch
with the lowest train loss is kept: no test image has chosen anything.

Prints means [smallest, largest] over the seeds, in percent. "As frequent as in train" weights each
test image by how frequent its class is in the train split.
"""

import argparse
import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from measuring import machine
from table import means

from tlf.inference.predictions import read_predictions
from tlf.metrics.image_scores import gaps
from tlf.results import RunResult
from tlf.runs.run import run

RATIO, EXTREME = 50, 3
"""How many times as frequent the most frequent class is; how many classes are called rare, and
frequent."""
REMEDIES = {
    "none": {},
    "`class_weights`": {"weights": "balanced"},
    "`sampler`": {"sampler": "balanced"},
    "`logit_adjustment`": {"adjustment": "1.0"},
    "`sampler` and `class_weights`": {"sampler": "balanced", "weights": "balanced"},
}
RECIPE = """
seed = {seed}
sampler = "{sampler}"
monitor = "train_loss"
output = "{output}"
report = false
unlike = false
keep_state = false
loss = {{ kind = "cross-entropy", class_weights = "{weights}", logit_adjustment = {adjustment} }}
data = {{ kind = "csv", file = "{file}" }}
transforms = {{ size = {side}, resize = {side} }}
backbone = {backbone}
optimizer = "adamw"
[[phases]]
name = "head"
freeze = "backbone"
epochs = {epochs}
lr = 1e-3
scheduler = "cosine"
"""
COLUMNS = {
    "top1": "top-1",
    "rare": f"recall, {EXTREME} rarest",
    "frequent": f"recall, {EXTREME} most frequent",
    "ece": "ECE",
    "top1_train": "top-1, as frequent as in train",
    "ece_train": "ECE, as frequent as in train",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cifar", type=Path)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--side", type=int, default=64)
    asked = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in REMEDIES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(asked.seeds):
            file = folder / f"{seed}.csv"
            counts = write_list(asked.cifar, file, seed)
            for number, (remedy, options) in enumerate(REMEDIES.items()):
                values = {"sampler": "shuffled", "weights": "none", "adjustment": "0.0"} | options
                recipe = folder / f"{seed}-{number}.toml"
                text = RECIPE.format(
                    seed=seed, output=folder / recipe.stem, file=file, side=asked.side,
                    backbone=asked.backbone, epochs=asked.epochs, **values,
                )  # fmt: skip
                recipe.write_text(text)
                *_, result = run(recipe)
                assert isinstance(result, RunResult)
                found[remedy].append(figures(folder / recipe.stem, counts))
    print(f"{sum(counts.values())} train images, {asked.epochs} epochs, n = {asked.seeds} seeds\n")
    print(*means("remedy", COLUMNS, found), sep="\n")
    print(f"\n{machine('torch', 'timm', 'tlf')}")


def write_list(root: Path, file: Path, seed: int) -> dict[str, int]:
    """List the images that a seed keeps; class → how many to train on."""
    rng = np.random.default_rng(seed)
    classes = sorted(path.name for path in (root / "train").iterdir())
    counts: dict[str, int] = {}
    rows = [("path", "label", "split")]
    for place, number in enumerate(rng.permutation(len(classes))):
        name = classes[number]
        images = sorted((root / "train" / name).iterdir())
        kept = round(len(images) * RATIO ** (-place / (len(classes) - 1)))
        chosen = rng.permutation(len(images))[:kept]
        rows += [(str(images[index].absolute()), name, "train") for index in sorted(chosen)]
        tested = sorted((root / "test" / name).iterdir())
        rows += [(str(image.absolute()), name, "val") for image in tested]
        counts[name] = kept
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(rows)
    return counts


def figures(output: Path, counts: Mapping[str, int]) -> dict[str, float]:
    """What a run has shown, in percent. ``counts``: train images of each class."""
    predicted = read_predictions(output / "predictions.csv")
    right = predicted.predicted == predicted.labels
    order = sorted(counts, key=lambda name: -counts[name])
    of_class = {
        name: right[predicted.labels == number].mean()
        for number, name in enumerate(predicted.classes)
    }
    weights = np.array([counts[predicted.classes[label]] for label in predicted.labels], float)
    shown = {
        "top1": right.mean(),
        "rare": np.mean([of_class[name] for name in order[-EXTREME:]]),
        "frequent": np.mean([of_class[name] for name in order[:EXTREME]]),
        "ece": np.abs(gaps(predicted).mean(0)).sum(),
        "top1_train": np.average(right, weights=weights),
        "ece_train": np.abs(np.average(gaps(predicted), axis=0, weights=weights)).sum(),
    }
    return {name: 100 * float(figure) for name, figure in shown.items()}


if __name__ == "__main__":
    main()
