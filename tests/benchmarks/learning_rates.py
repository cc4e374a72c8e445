"""How long `tlf lr` takes for a phase that trains the head on stored features.

    python tests/benchmarks/learning_rates.py [--images 400] [--epochs 10] [--repeats 3]

Drawn ants and bees as JPEGs of about 500 × 375, all but two of them to train on; ResNet-18 of timm
at 224 pixels with random weights. 13 rates and 5 seeds, each with 5 folds: 325 heads, each trained
on four fifths of the images. All in one process, from the first image on: what was imported before
is not counted.

1. tlf with an empty cache.
2. tlf again, which finds the features.
3. A plain loop by hand over rates, seeds and folds, in torch on features that are in memory. It
   computes no interval.

Prints medians [smallest, largest]. Where others use the machine, look at processor seconds."""

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from material import make_images
from measuring import machine
from table import aligned, spread

BATCH, FOLDS, RATES, SEEDS = 32, 5, 13, 5
RECIPE = """
output = "run"
data = {{ kind = "folder", root = "{root}" }}
backbone = {{ kind = "timm", model = "resnet18", weights = "none" }}
[[phases]]
name = "head"
freeze = "backbone"
epochs = {epochs}
lr = 0.01
scheduler = "cosine"
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    every: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = make_images(folder / "images", asked.images, 2)
        recipe = folder / "recipe.toml"
        recipe.write_text(RECIPE.format(root=images, epochs=asked.epochs))
        import_all()
        for number in range(asked.repeats):
            os.environ["TLF_CACHE"] = str(folder / f"cache{number}")
            for title, work in {
                "tlf, empty cache": lambda: find_rates(recipe),
                "tlf, filled cache": lambda: find_rates(recipe),
                "plain loop of heads": lambda: by_hand(asked.images, asked.epochs),
            }.items():
                every.setdefault(title, []).append(taken(work))
    rows = [[f"{RATES} rates, {SEEDS} seeds", "seconds", "CPU seconds"]]
    for title, values in every.items():
        walls, cpus = zip(*values, strict=True)
        rows.append([title, spread(walls, 1), spread(cpus, 1)])
    print(
        f"{asked.images} images, {asked.epochs} epochs, n = {asked.repeats}",
        *aligned(rows),
        sep="\n",
    )
    print(machine())


def import_all() -> None:
    """Import what a study needs."""
    import scipy.stats  # noqa: F401
    import timm  # noqa: F401

    import tlf.studies.learning_rate.lr  # noqa: F401

    gc.freeze()  # as the command line does


def taken(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds and processor seconds of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def find_rates(recipe: Path) -> None:
    """Find learning rates with tlf."""
    import tlf

    *_, found = tlf.lr(recipe)
    (head,) = found.phases
    assert (len(head.rates), len(head.seeds), head.folds) == (RATES, SEEDS, FOLDS)


def by_hand(images: int, epochs: int) -> None:
    """Train as many heads one after the other, and see how often each is right."""
    import torch

    features, labels = torch.randn(images, 512), torch.arange(images) % 2
    for rate in torch.logspace(-5, 1, RATES).tolist():
        for seed in range(SEEDS):
            folds = torch.randperm(images, generator=torch.Generator().manual_seed(seed)) % FOLDS
            for fold in range(FOLDS):
                torch.manual_seed(seed)
                train = (folds != fold).nonzero().flatten()
                head = torch.nn.Linear(512, 2)
                optimizer = torch.optim.SGD(head.parameters(), lr=rate, momentum=0.9)
                schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
                for _ in range(epochs):
                    for rows in train[torch.randperm(len(train))].split(BATCH):
                        loss = torch.nn.functional.cross_entropy(head(features[rows]), labels[rows])
                        optimizer.zero_grad()
                        loss.backward()
                        optimizer.step()
                    schedule.step()
                held_out = folds == fold
                (head(features[held_out]).argmax(1) == labels[held_out]).float().mean()


if __name__ == "__main__":
    main()
