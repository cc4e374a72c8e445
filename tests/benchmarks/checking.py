"""What a check finds of planted faults: copies of five kinds, and wrong labels.

    python tests/benchmarks/checking.py IMAGES [IMAGES…] --backbone FILE.toml [--set KEY=VALUE…]

Each IMAGES is a folder with ``train`` and ``val`` or ``test``, whose folders are the classes. The
file is a recipe's table ``[backbone]``. For each set:

1. Copies. In a copy of the set, changed copies of train images are planted into the eval split.
   A copy is found where it is in one group with its original. The precision is that of pairs: of
   all pairs of originals in one group, none was planted; they are listed with ``--sheet FOLDER``
   as a picture, so that a person can judge them. The table counts them.
2. Wrong labels. Labels of both splits are changed at random, in memory: the embeddings are those of
   the set. Recall and precision of the listed suspects, precision among the first n where n were
   planted, and the average precision of the order. What is wrong in the set itself counts against
   it."""

import argparse
import random
import shutil
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measuring import machine
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

KINDS = ("recompressed", "resized", "cropped", "mirrored", "brightness and contrast")
RATES = (0.02, 0.05, 0.10)
EVAL_NAMES = ("val", "test")


def changed(image: Image.Image, kind: str, draw: random.Random) -> Image.Image:
    """A copy of one of the five kinds; how it is stored belongs to the first."""
    width, height = image.size
    if kind == "resized":
        return image.resize((max(1, width // 2), max(1, height // 2)), Image.Resampling.LANCZOS)
    if kind == "cropped":
        across, down = round(0.05 * width), round(0.05 * height)
        left, top = draw.randint(0, across), draw.randint(0, down)
        return image.crop((left, top, left + width - across, top + height - down))
    if kind == "mirrored":
        return ImageOps.mirror(image)
    if kind == "brightness and contrast":
        brighter = ImageEnhance.Brightness(image).enhance(draw.choice([0.75, 1.3]))
        return ImageEnhance.Contrast(brighter).enhance(draw.choice([0.75, 1.3]))
    return image


def plant(root: Path, kinds: Iterable[str], count: int, seed: int) -> None:
    """Add changed copies of ``count`` train images of each kind to the eval split of a set."""
    draw = random.Random(seed)
    train = sorted(path for path in (root / "train").rglob("*") if readable(path))
    place = next(root / name for name in EVAL_NAMES if (root / name).is_dir())
    for number, kind in enumerate(kinds):
        for path in draw.sample(train, min(count, len(train))):
            with Image.open(path) as image:
                copy = changed(image.convert("RGB"), kind, draw)
            name = f"planted-{number}-{path.name}.jpg"
            copy.save(place / path.parent.name / name, quality=40 if kind == KINDS[0] else 92)


def readable(path: Path) -> bool:
    """Whether a file is an image."""
    try:
        Image.open(path).verify()
    except Exception:  # Pillow's readers raise errors of many types
        return False
    return True


def embedded(root: Path, backbone: str, overrides: Sequence[str], folder: Path) -> Any:
    """A set, embedded."""
    from tlf.checks.check import embedded_splits
    from tlf.recipe.plan import read_plan
    from tlf.runs.record import opened
    from tlf.training.embeddings import embeddings

    recipe = folder / "recipe.toml"
    recipe.write_text(
        f'output = "{folder}/run"\n[data]\nkind = "folder"\nroot = "{root}"\nbad_images = "skip"\n'
        f'{backbone}\n[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 1\nlr = 0.1\n'
    )
    job = returned(opened(read_plan(recipe, overrides)))
    with job.loaders:
        return embedded_splits(job, returned(embeddings(job)))


def returned(generator: Iterator[object]) -> Any:
    """What a generator returns."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def copies(root: Path, asked: argparse.Namespace) -> None:
    """Plant copies, and print how many are found."""
    from tlf.checks.find import find

    found: dict[str, list[int]] = {kind: [] for kind in KINDS}
    mixed = []
    for seed in range(asked.seeds):
        with TemporaryDirectory() as folder:
            shutil.copytree(root, Path(folder, "set"))
            plant(Path(folder, "set"), KINDS, asked.count, seed)
            images = embedded(Path(folder, "set"), asked.backbone, asked.set, Path(folder))
            began = time.perf_counter()
            findings = returned(find(images))
            seconds = time.perf_counter() - began
        of = {i.name: n for n, group in enumerate(findings.duplicates) for i in group.images}
        train = {key(name): name for name in images.splits.train.names}
        for number, kind in enumerate(KINDS):
            names = [n for n in images.splits.eval.names if f"planted-{number}-" in n]
            originals = [train[key(name)] for name in names]
            found[kind].append(
                sum(of.get(n, -1) == of.get(o, -2) for n, o in zip(names, originals, strict=True))
            )
            planted = len(names)
        mixed.append(
            sum(sum("planted-" not in i.name for i in g.images) > 1 for g in findings.duplicates)
        )
    print(f"\n{root.name}: {planted} copies of each kind, {asked.seeds} draws; found of each draw")
    for kind, counts in found.items():
        print(f"  {kind:26} recall {spread([count / planted for count in counts])}")
    print(f"  groups with more than one original: {mixed} (look at them: --sheet); {seconds:.1f} s")


def key(name: str) -> tuple[str, str]:
    """The class and the file of an image, or of the original of a planted copy."""
    path = Path(name)
    planted = path.name.startswith("planted-")
    file = path.name.split("-", 2)[2].removesuffix(".jpg") if planted else path.name
    return path.parent.name, file


def labels(root: Path, asked: argparse.Namespace) -> None:
    """Change labels, and print how many are found."""
    from sklearn.metrics import average_precision_score

    from tlf.checks.appearances import look_at
    from tlf.checks.label_suspects import find_suspects
    from tlf.checks.near_duplicates import find_duplicates
    from tlf.checks.neighbours import directions
    from tlf.checks.probe import out_of_fold

    with TemporaryDirectory() as folder:
        images = embedded(root, asked.backbone, asked.set, Path(folder))
        looks = returned(look_at(images.splits, images.pixels))
    rows = directions(np.concatenate([images.train, images.eval]))
    truth = np.array([*images.splits.train.labels, *images.splits.eval.labels])
    groups = np.arange(len(truth))
    for group in find_duplicates(looks, rows):
        groups[list(group.images)] = group.images[0]
    print(f"\n{root.name}: wrong labels of {len(truth)} images, {asked.seeds} draws")
    for rate in RATES:
        figures = []
        for seed in range(asked.seeds):
            draw = np.random.default_rng(seed)
            wrong = draw.permutation(len(truth))[: round(rate * len(truth))]
            given, classes = truth.copy(), truth.max() + 1
            given[wrong] = (truth[wrong] + draw.integers(1, classes, len(wrong))) % classes
            planted = np.isin(np.arange(len(truth)), wrong)
            probabilities = out_of_fold(rows, given, groups, seed)
            listed = [suspect.image for suspect in find_suspects(probabilities, given)]
            first = listed[: len(wrong)]
            own = probabilities[np.arange(len(truth)), given]
            right = [s for s in find_suspects(probabilities, given) if planted[s.image]]
            figures.append(
                (
                    planted[listed].sum() / len(wrong),
                    planted[listed].mean(),
                    planted[first].mean(),
                    statistics.fmean(s.proposed == truth[s.image] for s in right),
                    average_precision_score(planted, -own),
                )
            )
        names = (
            "recall",
            "precision",
            "of the first n",
            "proposed right",
            "average precision",
        )
        shown = (
            f"{name} {spread(values)}"
            for name, values in zip(names, zip(*figures, strict=True), strict=True)
        )
        print(f"  {rate:.0%}: {'; '.join(shown)}")


def spread(values: Sequence[float]) -> str:
    """The mean, the least and the largest, in per cent.

    >>> spread([0.5, 1.0])
    '75 [50, 100]'
    """
    return (
        f"{100 * statistics.fmean(values):.0f} [{100 * min(values):.0f}, {100 * max(values):.0f}]"
    )


def sheets(root: Path, asked: argparse.Namespace) -> None:
    """Print what is found in the set as it is, and draw it."""
    from tlf.checks.find import find

    with TemporaryDirectory() as folder:
        images = embedded(root, asked.backbone, asked.set, Path(folder))
        findings = returned(find(images))
    splits = {"train": images.splits.train, "eval": images.splits.eval}
    rows = [
        (f"{group.similarity:.2f}{' exact' if group.exact else ''}", group.images[:8])
        for group in sorted(findings.duplicates, key=lambda group: -group.similarity)
    ]
    rows += [
        (f"{s.image.label} {s.own_probability:.4f} -> {s.proposed}", (s.image, *s.neighbours))
        for s in findings.suspects[: asked.first]
    ]
    side, text = 110, 14
    sheet = Image.new("RGB", (8 * side, max(1, len(rows)) * (side + 2 * text)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (title, images) in enumerate(rows):
        top = row * (side + 2 * text)
        draw.text((2, top), f"{title}  {images[0].split}/{images[0].name}", fill="black")
        for column, image in enumerate(images):
            data = splits[image.split].read(image.index)
            picture = Image.open(BytesIO(data)).convert("RGB").resize((side, side))
            sheet.paste(picture, (column * side, top + text))
            draw.text((column * side + 2, top + text + side), image.label, fill="black")
    asked.sheet.mkdir(parents=True, exist_ok=True)
    sheet.save(asked.sheet / f"{root.name}.png")
    odd, pairs = len(findings.odd_sizes), len(findings.inseparable)
    print(
        f"\n{root.name} as it is: {len(findings.duplicates)} groups of copies, "
        f"{len(findings.leaks)} of them in both splits; {len(findings.suspects)} suspects; "
        f"{odd} odd sizes; {pairs} inseparable pairs"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--backbone", type=lambda path: Path(path).read_text(), required=True)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--count", type=int, default=60, help="copies of each kind")
    parser.add_argument("--seeds", type=int, default=3, help="draws")
    parser.add_argument("--sheet", type=Path, help="draw what is found in the set as it is")
    parser.add_argument("--first", type=int, default=20, help="suspects that are drawn")
    asked = parser.parse_args()
    for root in asked.images:
        copies(root, asked)
        labels(root, asked)
        if asked.sheet:
            sheets(root, asked)
    print(f"\n{machine('torch', 'scikit-learn', 'timm', 'pillow', 'tlf')}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
