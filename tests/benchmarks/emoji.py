"""What the losses and the thresholds do on a public set of images with several labels: emoji.

    python tests/benchmarks/emoji.py FOLDER [--seeds 5] [--epochs 20] [--lr 3e-3]
    --backbone '{ kind = "timm", model = "tf_efficientnet_lite0", weights = "FILE" }'

FOLDER gets the images, unless it has them: OpenMoji 17.0.0 (npm: openmoji; CC BY-SA 4.0,
https://openmoji.org), drawn at 96 px on white by resvg (PyPI: resvg-py). It needs npm and pip.
The classes are the 30 most frequent tags of the emoji that are no variant of another in skin
tone; images without one of them stay. Emoji that are the same picture are one image with the tags
of both. A hash of their names divides them: 60 % train, 20 % eval, 20 % test.

The backbone is frozen and a linear head trains on its stored features; the epoch with the best
eval mAP is kept. Thresholds come from the eval split, or from heads that have not seen the images
(out-of-fold). scikit-learn's logistic regression learns each class from the same features; its C
is the one with the best eval mAP.

Prints means [smallest, largest] over the seeds, in percent, of the test split, by scikit-learn.
"""

import argparse
import csv
import hashlib
import importlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine
from table import means

import tlf
from tlf.tasks.multi_label_figures import best_thresholds

OPENMOJI, RESVG = "openmoji@17.0.0", "resvg-py==0.5.0"
SIDE, CLASSES = 96, 30
LOSSES = {
    "`binary-cross-entropy`": '{ kind = "binary-cross-entropy" }',
    '… `pos_weight = "balanced"`': '{ kind = "binary-cross-entropy", pos_weight = "balanced" }',
    "`asymmetric`": '{ kind = "asymmetric" }',
    "`sigmoid-focal`": '{ kind = "sigmoid-focal" }',
}
COSTS = (1e-2, 1e-1, 1.0, 10.0)
RECIPE = """
task = "multi-label"
seed = {seed}
calibration = "out-of-fold"
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
    "macro eval": "… thresholds of eval",
    "macro out-of-fold": "… out-of-fold",
    "micro": "micro F1, 0.5",
    "micro eval": "… thresholds of eval",
    "micro out-of-fold": "… out-of-fold",
}


@dataclass(frozen=True)
class Part:
    """A split: features (N, F), and whether each image has each class (N, K)."""

    features: Any
    labels: Any


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--lr", type=float, default=3e-3)
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    if not (folder / "tags.json").exists():
        write_images(folder)
    tags = json.loads((folder / "tags.json").read_text())
    file = write_list(folder, tags)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in LOSSES}
    with tempfile.TemporaryDirectory() as name:
        parts: Mapping[str, Part] = {}
        for seed in range(asked.seeds):
            for number, (loss, options) in enumerate(LOSSES.items()):
                run = trained(Path(name, f"{number}-{seed}"), options, file, asked, seed)
                parts = parts or dict(embedded(run, file))
                found[loss].append(of_head(run, parts))
            print(*means("loss", COLUMNS, found), sep="\n", file=sys.stderr)
        check(run, found[loss][-1])
        found["logistic regression"] = [of_regression(parts)]
    images = " + ".join(f"{len(parts[split].labels)} {split}" for split in parts)
    print(f"{images} images, {asked.epochs} epochs, n = {asked.seeds} seeds\n")
    print(*means("loss", COLUMNS, found), sep="\n")
    print(f"\n{machine('torch', 'timm', 'scikit-learn', 'tlf')}")


def check(run: Path, shown: Mapping[str, float]) -> None:
    """Check that ``tlf evaluate`` says the same of the last run, but for roundings."""
    headline = tlf.evaluate(run, split="test").evaluation.headline
    for name, column in (("map", "map"), ("macro_f1", "macro out-of-fold")):
        assert abs(100 * headline[name].value - shown[column]) < 0.1, (name, headline[name], shown)


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
        own: dict[str, set[str]] = {}
        drawn: dict[bytes, str] = {}
        for one in emoji:
            if one["skintone"]:
                continue
            code = one["hexcode"]
            svg = (packed / "package/color/svg" / f"{code}.svg").read_text(encoding="utf-8")
            image = draw(svg, background="#ffffff", width=SIDE, height=SIDE, skip_system_fonts=True)
            if image not in drawn:  # men and women are the same picture sometimes
                (folder / f"{code}.png").write_bytes(image)
            own.setdefault(drawn.setdefault(image, code), set()).update(tags_of(one))
    counts = Counter(tag for tags in own.values() for tag in tags)
    frequent = sorted(counts, key=lambda tag: (-counts[tag], tag))[:CLASSES]
    kept = {code: [tag for tag in frequent if tag in tags] for code, tags in own.items()}
    (folder / "tags.json").write_text(json.dumps(kept))


def tags_of(emoji: Mapping[str, str]) -> set[str]:
    """Its tags, in lower case."""
    parts = f"{emoji['tags']},{emoji['openmoji_tags']}".split(",")
    return {tag for part in parts if (tag := part.strip().lower())}


def write_list(folder: Path, tags: Mapping[str, list[str]]) -> Path:
    """Write the labels and the splits."""
    rows = [("path", "label", "split")]
    for code, own in tags.items():
        part = int.from_bytes(hashlib.sha256(code.encode()).digest()[:8]) % 5
        split = ("train", "train", "train", "val", "test")[part]
        rows.append((f"{code}.png", ";".join(own), split))
    with (file := folder / "list.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(rows)
    return file


def trained(run: Path, loss: str, file: Path, asked: argparse.Namespace, seed: int) -> Path:
    """Train a head; returns the folder of its run."""
    text = RECIPE.format(
        seed=seed, output=run, loss=loss, file=file, backbone=asked.backbone,
        epochs=asked.epochs, lr=asked.lr,
    )  # fmt: skip
    run.with_suffix(".toml").write_text(text)
    list(tlf.run(run.with_suffix(".toml")))
    return run


def embedded(run: Path, file: Path) -> Iterator[tuple[str, Part]]:
    """The features and the labels of each split, by the backbone of a run."""
    import torch

    classifier = tlf.load_classifier(run)
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    for split in ("train", "val", "test"):
        own = [row for row in rows if row["split"] == split]
        paths = [str(file.parent / row["path"]) for row in own]
        batches = (classifier.prepare(paths[n : n + 64]) for n in range(0, len(paths), 64))
        with torch.inference_mode():
            features = torch.cat([classifier.model.features(batch) for batch in batches])
        names = [row["label"].split(";") for row in own]
        labels = np.array([[name in one for name in classifier.labels] for one in names])
        yield split, Part(features.numpy(), labels)


def of_head(run: Path, parts: Mapping[str, Part]) -> dict[str, float]:
    """What the head of a run gives on the test split, with both sources of thresholds."""
    import torch

    head = tlf.load_head(run / "head.safetensors").eval()
    with torch.inference_mode():
        scores = {
            split: head(torch.from_numpy(part.features)).sigmoid().numpy()
            for split, part in parts.items()
        }
    assert head.calibrated is not None
    shown = on_test(scores, parts)
    thresholded = scored(parts["test"].labels, scores["test"], head.calibrated.thresholds)
    shown |= {f"{name} out-of-fold": thresholded[name] for name in ("macro", "micro")}
    return shown


def of_regression(parts: Mapping[str, Part]) -> dict[str, float]:
    """What logistic regressions of the same features give on the test split."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    best, found = -1.0, dict[str, Any]()
    for c in COSTS:
        model = OneVsRestClassifier(LogisticRegression(C=c, max_iter=1000))
        model.fit(parts["train"].features, parts["train"].labels)
        scores = {split: model.predict_proba(part.features) for split, part in parts.items()}
        if (figure := scored(parts["val"].labels, scores["val"], 0.5)["map"]) > best:
            best, found = figure, on_test(scores, parts)
    return found


def on_test(scores: Mapping[str, Any], parts: Mapping[str, Part]) -> dict[str, float]:
    """The figures of the test split with the threshold 0.5, and with those of the eval split."""
    shown = scored(parts["test"].labels, scores["test"], 0.5)
    limits = best_thresholds(scores["val"], parts["val"].labels)
    thresholded = scored(parts["test"].labels, scores["test"], limits)
    return shown | {f"{name} eval": thresholded[name] for name in ("macro", "micro")}


def scored(labels: Any, scores: Any, limits: Any) -> dict[str, float]:
    """The figures of scikit-learn, in percent."""
    from sklearn.metrics import average_precision_score, f1_score

    given = scores >= limits
    figures = {
        "map": average_precision_score(labels, scores, average="macro"),
        "macro": f1_score(labels, given, average="macro", zero_division=np.nan),
        "micro": f1_score(labels, given, average="micro"),
    }
    return {name: 100 * float(figure) for name, figure in figures.items()}


if __name__ == "__main__":
    main()
