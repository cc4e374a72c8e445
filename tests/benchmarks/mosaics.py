"""What the losses and the thresholds of images with several labels do.

    python tests/benchmarks/mosaics.py CIFAR10 [--seeds 3] [--epochs 15] [--images 1000]
    --backbone '{ kind = "timm", model = "tf_efficientnet_lite0", weights = "FILE" }'

CIFAR10 is a folder with a train and a test split. Each seed makes images of four places; a place
shows an image of the split or nothing. Each class is 0.6 times as frequent as the one before it.
The backbone is frozen, a linear head trains on its stored features, and the epoch with the lowest
train loss is kept. Thresholds come from heads that have not seen the images (out-of-fold): no
image of the test split has chosen anything.

Prints means [smallest, largest] over the seeds, in percent: mAP, and F1 with the threshold 0.5 and
with each class's own.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine
from PIL import Image
from returned import returned
from table import means

from tlf.inference.calibrated import calibrate
from tlf.recipe.plan import planned
from tlf.runs.record import opened
from tlf.tasks.multi_label_figures import f1_scores
from tlf.training.calibration.predictions import calibration_predictions
from tlf.training.state import State
from tlf.training.trainer import train

RATE, RARER, SIDE = 0.4, 0.6, 32
LOSSES: dict[str, dict[str, Any]] = {
    "`binary-cross-entropy`": {"kind": "binary-cross-entropy"},
    '… `pos_weight = "balanced"`': {"kind": "binary-cross-entropy", "pos_weight": "balanced"},
    "`asymmetric`": {"kind": "asymmetric"},
    "`sigmoid-focal`": {"kind": "sigmoid-focal"},
}
COLUMNS = {
    "map": "mAP",
    "macro": "macro F1, 0.5",
    "macro own": "… own thresholds",
    "micro": "micro F1, 0.5",
    "micro own": "… own thresholds",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cifar", type=Path)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--images", type=int, default=1000)
    asked = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in LOSSES}
    with tempfile.TemporaryDirectory() as name:
        for seed in range(asked.seeds):
            (folder := Path(name, str(seed))).mkdir()
            write_images(asked.cifar, folder, asked.images, np.random.default_rng(seed))
            for loss, options in LOSSES.items():
                found[loss].append(measured(folder, options, asked, seed))
    print(*means("loss", COLUMNS, found), sep="\n")
    print(f"\n{asked.seeds} seeds, {asked.images} train and test images")
    print(machine("torch", "timm", "tlf"))


def write_images(cifar: Path, folder: Path, count: int, random: np.random.Generator) -> None:
    """Draw the images of both splits, and write the list of their labels."""
    classes = sorted(path.name for path in (cifar / "train").iterdir())
    rates = RARER ** np.arange(len(classes))
    lines = ["path,label,split"]
    for split, source in (("train", "train"), ("val", "test")):
        files = {name: sorted((cifar / source / name).iterdir()) for name in classes}
        for number in range(count):
            image, labels = Image.new("RGB", (2 * SIDE, 2 * SIDE), (128, 128, 128)), set()
            for place in range(4):
                if random.random() < RATE:
                    label = random.choice(classes, p=rates / rates.sum())
                    part = Image.open(random.choice(files[label])).convert("RGB")
                    image.paste(part, (SIDE * (place % 2), SIDE * (place // 2)))
                    labels.add(str(label))
            image.save(folder / f"{split}{number}.png")
            lines.append(f"{split}{number}.png,{';'.join(sorted(labels))},{split}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")


def measured(
    folder: Path, loss: dict[str, Any], asked: argparse.Namespace, seed: int
) -> dict[str, float]:
    """The figures of one run, in percent."""
    job = returned(opened(planned(recipe(folder, loss, asked, seed), "label sets")))
    with job.loaders:
        returned(train(job, state := State()))
        source, own = returned(calibration_predictions(job, state))
    task, best = job.task, state.best.predictions
    calibrated = calibrate(
        task, own.logits, task.probabilities(own.logits), own.labels, 0.9, source
    )
    scores, truth = task.probabilities(best.logits).numpy(), best.labels.numpy() > 0
    shown = {"map": state.best.result.eval_map}
    for which, limits in (("", 0.5), (" own", np.array(calibrated.thresholds))):
        by_class, micro = f1_scores(scores >= limits, truth)
        shown |= {f"macro{which}": np.nanmean(by_class), f"micro{which}": micro}
    return {name: 100 * float(figure) for name, figure in shown.items()}


def recipe(
    folder: Path, loss: dict[str, Any], asked: argparse.Namespace, seed: int
) -> dict[str, Any]:
    """A linear probe."""
    import tomllib

    return {
        "task": "multi-label", "seed": seed, "monitor": "train_loss", "loss": loss,
        "calibration": "out-of-fold", "output": str(folder / "run"), "optimizer": "adamw",
        "data": {"kind": "csv", "file": str(folder / "list.csv"), "label_separator": ";",
                 "missing_in_eval": "allow"},
        "transforms": {"size": 4 * SIDE, "resize": 4 * SIDE},
        "backbone": tomllib.loads(f"backbone = {asked.backbone}")["backbone"],
        "phases": [{"name": "head", "freeze": "backbone", "epochs": asked.epochs, "lr": 1e-3}],
    }  # fmt: skip


if __name__ == "__main__":
    main()
