"""What the losses and the thresholds do on a public set of images with several labels: emoji.

    python tests/benchmarks/emoji.py FOLDER [--seeds 5] [--epochs 30] [--lr 1e-3]
    --backbone '{ kind = "timm", model = "tf_efficientnet_lite0", weights = "FILE" }'

FOLDER gets the images, unless it has them: OpenMoji 17.0.0 (npm: openmoji; CC BY-SA 4.0,
https://openmoji.org), drawn at 96 px on white by resvg (PyPI: resvg-py). It needs npm and pip.
The classes are the 40 most frequent tags of the emoji that are no variant of another in skin
tone; images without one of them stay. Each seed divides the images by a hash of their names: 60 %
train, 20 % eval, 20 % test.

The backbone is frozen and a linear head trains on its stored features; the epoch with the best
eval mAP is kept. Thresholds come from the eval split, or from heads that have not seen the images
(out-of-fold). scikit-learn's logistic regression learns each class from the same features; its C
is the one with the best eval mAP.

Prints means [smallest, largest] over the seeds, in percent, of the test split. Each figure of tlf
is computed by scikit-learn from predictions.csv, and equals that of tlf evaluate.
"""

import argparse
import csv
import hashlib
import importlib
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine

import tlf

OPENMOJI, RESVG = "openmoji@17.0.0", "resvg-py==0.5.0"
SIDE, CLASSES = 96, 40
LOSSES = {
    "`binary-cross-entropy`": '{ kind = "binary-cross-entropy" }',
    '… `pos_weight = "balanced"`': '{ kind = "binary-cross-entropy", pos_weight = "balanced" }',
    "`asymmetric`": '{ kind = "asymmetric" }',
    "`sigmoid-focal`": '{ kind = "sigmoid-focal" }',
}
COSTS = (1e-4, 1e-3, 1e-2, 1e-1)
REGRESSION = "scikit-learn's logistic regression"
RECIPE = """
task = "multi-label"
seed = {seed}
calibration = "{calibration}"
output = "{output}"
report = false
unlike = false
keep_state = false
loss = {loss}
data = {{ kind = "csv", file = "{file}", label_separator = ";", test = "test" }}
transforms = {{ size = 96, resize = 96 }}
backbone = {backbone}
optimizer = "adamw"
[[phases]]
name = "head"
freeze = "backbone"
epochs = {epochs}
lr = {lr}
scheduler = "cosine"
"""
COLUMNS = {
    "map": "mAP",
    "macro": "macro F1, 0.5",
    "macro_eval": "… thresholds of eval",
    "macro_out-of-fold": "… out-of-fold",
    "micro": "micro F1, 0.5",
    "micro_eval": "… thresholds of eval",
    "micro_out-of-fold": "… out-of-fold",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--lr", type=float, default=1e-3)
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    if not (folder / "tags.json").exists():
        write_images(folder)
    tags = json.loads((folder / "tags.json").read_text())
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (*LOSSES, REGRESSION)}
    with tempfile.TemporaryDirectory() as name:
        for seed in range(asked.seeds):
            write_list(tags, file := folder / f"list{seed}.csv", seed)
            for number, (loss, options) in enumerate(LOSSES.items()):
                output = Path(name, f"{seed}-{number}")
                found[loss].append(measured(output, options, file, asked, seed))
            found[REGRESSION].append(regression(output.with_suffix(".eval"), file))
            print("\n".join(table(found)), file=sys.stderr)
    counts = Counter(tag for own in tags.values() for tag in own)
    print(
        f"{len(tags)} images, {len(counts)} classes of {min(counts.values())} to "
        f"{max(counts.values())} images, n = {asked.seeds} seeds\n"
    )
    print("\n".join(table(found)))
    packages = ("torch", "timm", "scikit-learn", "tlf")
    print(f"\n{machine()}, {', '.join(f'{one} {version(one)}' for one in packages)}")


def write_images(folder: Path) -> None:
    """Fetch the emoji, draw them, and write which of the most frequent tags each one has."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        packed = Path(name)
        subprocess.run(
            ["npm", "pack", "--silent", OPENMOJI, "--pack-destination", name],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        with tarfile.open(next(packed.glob("*.tgz"))) as archive:
            archive.extractall(packed, filter="data")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--target", str(packed / "resvg"), RESVG], check=True)
        sys.path.insert(0, str(packed / "resvg"))
        draw = importlib.import_module("resvg_py").svg_to_bytes
        emoji = json.loads((packed / "package/data/openmoji.json").read_text(encoding="utf-8"))
        own = {one["hexcode"]: tags_of(one) for one in emoji if not one["skintone"]}
        for code in own:
            svg = (packed / "package/color/svg" / f"{code}.svg").read_text(encoding="utf-8")
            image = draw(svg, background="#ffffff", width=SIDE, height=SIDE, skip_system_fonts=True)
            (folder / f"{code}.png").write_bytes(image)
    counts = Counter(tag for tags in own.values() for tag in tags)
    frequent = sorted(counts, key=lambda tag: (-counts[tag], tag))[:CLASSES]
    kept = {code: [tag for tag in frequent if tag in tags] for code, tags in own.items()}
    (folder / "tags.json").write_text(json.dumps(kept))


def tags_of(emoji: Mapping[str, str]) -> set[str]:
    """Its tags, in lower case."""
    parts = f"{emoji['tags']},{emoji['openmoji_tags']}".split(",")
    return {tag for part in parts if (tag := part.strip().lower())}


def write_list(tags: Mapping[str, list[str]], file: Path, seed: int) -> None:
    """Write the labels and the splits of a seed."""
    rows = [("path", "label", "split")]
    for code, own in tags.items():
        digest = hashlib.sha256(f"{seed} {code}".encode()).digest()
        split = ("train", "train", "train", "val", "test")[int.from_bytes(digest[:8]) % 5]
        rows.append((f"{code}.png", ";".join(own), split))
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(rows)


def measured(
    output: Path, loss: str, file: Path, asked: argparse.Namespace, seed: int
) -> dict[str, float]:
    """What a loss gives on the test split, with both sources of thresholds."""
    shown: dict[str, float] = {}
    for calibration in ("eval", "out-of-fold"):
        run = output.with_suffix(f".{calibration}")
        recipe = run.with_suffix(".toml")
        text = RECIPE.format(
            seed=seed, calibration=calibration, output=run, loss=loss, file=file,
            backbone=asked.backbone, epochs=asked.epochs, lr=asked.lr,
        )  # fmt: skip
        recipe.write_text(text)
        list(tlf.run(recipe))
        evaluated = tlf.evaluate(run, split="test")
        labels, predicted, scores = read(tlf.write_evaluation(evaluated) / "predictions.csv")
        figures = scored(labels, predicted, scores)
        headline = evaluated.evaluation.headline
        for name, figure in figures.items():
            assert abs(headline[name].value - figure) < 1e-6, (name, headline[name], figure)
        half = scored(labels, scores >= 0.5, scores)
        shown |= {"map": figures["map"], "macro": half["macro_f1"], "micro": half["micro_f1"]}
        shown[f"macro_{calibration}"] = figures["macro_f1"]
        shown[f"micro_{calibration}"] = figures["micro_f1"]
    return {name: 100 * figure for name, figure in shown.items()}


def read(file: Path) -> tuple[Any, Any, Any]:
    """Of a table of predictions: which classes images have, which are predicted, their scores."""
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    classes = [name.removeprefix("p_") for name in rows[0] if name.startswith("p_")]
    labels, predicted = (
        np.array([[name in json.loads(row[column]) for name in classes] for row in rows])
        for column in ("labels", "predicted")
    )
    return labels, predicted, np.array([[float(row[f"p_{n}"]) for n in classes] for row in rows])


def scored(labels: Any, predicted: Any, scores: Any) -> dict[str, float]:
    """The figures of scikit-learn."""
    from sklearn.metrics import average_precision_score, f1_score

    return {
        "map": float(average_precision_score(labels, scores, average="macro")),
        "macro_f1": float(f1_score(labels, predicted, average="macro", zero_division=np.nan)),
        "micro_f1": float(f1_score(labels, predicted, average="micro")),
    }


def regression(run: Path, file: Path) -> dict[str, float]:
    """What logistic regressions of a run's features give on the test split."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from tlf.tasks.multi_label_figures import best_thresholds

    classifier = tlf.load_classifier(run)
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    features = embedded(classifier, [file.parent / row["path"] for row in rows])
    own = [row["label"].split(";") for row in rows]
    labels = np.array([[name in one for name in classifier.labels] for one in own])
    splits = np.array([row["split"] for row in rows])
    inputs, truths = (
        {name: of[splits == name] for name in ("train", "val", "test")} for of in (features, labels)
    )
    best: dict[str, Any] = {"map": 0.0}
    for c in COSTS:
        every = OneVsRestClassifier(LogisticRegression(C=c, max_iter=1000))
        fitted = make_pipeline(StandardScaler(), every).fit(inputs["train"], truths["train"])
        scores = {name: fitted.predict_proba(inputs[name]) for name in ("val", "test")}
        found = scored(truths["val"], scores["val"] >= 0.5, scores["val"])["map"]
        if found > best["map"]:
            best = {"map": found, "scores": scores}
    scores = best["scores"]
    limits = best_thresholds(scores["val"], truths["val"])
    half, thresholded = (
        scored(truths["test"], scores["test"] >= limit, scores["test"]) for limit in (0.5, limits)
    )
    shown = {"map": half["map"], "macro": half["macro_f1"], "micro": half["micro_f1"]}
    shown |= {f"{name}_eval": thresholded[f"{name}_f1"] for name in ("macro", "micro")}
    return {name: 100 * figure for name, figure in shown.items()}


def embedded(classifier: tlf.TrainedClassifier, images: Sequence[Path]) -> Any:
    """The features of images (N, F)."""
    import torch

    parts = (classifier.prepare(images[n : n + 64]) for n in range(0, len(images), 64))
    with torch.inference_mode():
        return torch.cat([classifier.model.features(part) for part in parts]).numpy()


def table(found: Mapping[str, list[dict[str, float]]]) -> Iterator[str]:
    """A row for each loss, as Markdown."""
    yield f"| loss | {' | '.join(COLUMNS.values())} |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for loss, every in found.items():
        cells = []
        for column in COLUMNS:
            values = [one[column] for one in every if column in one]
            low, high = (min(values), max(values)) if values else (np.nan, np.nan)
            cells.append(f"{statistics.mean(values or [np.nan]):.1f} [{low:.1f}, {high:.1f}]")
        yield f"| {loss} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
