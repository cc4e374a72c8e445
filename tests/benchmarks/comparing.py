"""How long `tlf compare` takes where the backbone is frozen and its features are stored.

    python tests/benchmarks/comparing.py [--images 400] [--seeds 10]

Drawn ants and bees as JPEGs of about 500 × 375, 250 of 400 to train on; ResNet-18 of timm at 224
pixels with random weights; two recipes that train the head for 20 epochs at two rates. All in one
process, from the first image on: what was imported before is not counted.

1. Two seeds with an empty cache: features are computed, once for both recipes.
2. All seeds.
3. One run by hand of the head alone, in torch on the same features, times the number of runs.

Prints seconds. Where others use the machine, look at processor seconds."""

import argparse
import gc
import os
import tempfile
import time
from pathlib import Path

from material import make_images
from measuring import machine
from table import aligned

EPOCHS, BATCH = 20, 32
RATES = (1e-2, 1e-3)
RECIPE = """
output = "run"
report = false
data = {{ kind = "folder", root = "{root}" }}
backbone = {{ kind = "timm", model = "resnet18", weights = "none" }}
optimizer = "adamw"
[[phases]]
name = "head"
freeze = "backbone"
epochs = {epochs}
lr = {rate}
scheduler = "cosine"
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=10)
    asked = parser.parse_args()
    rows = [["two recipes", "seconds", "CPU seconds"]]
    with tempfile.TemporaryDirectory() as name:
        folder, train = Path(name), asked.images * 5 // 8
        os.environ["TLF_CACHE"] = str(folder / "cache")
        images = make_images(folder / "images", train, asked.images - train)
        recipes = [folder / f"{rate:g}.toml" for rate in RATES]
        for path, rate in zip(recipes, RATES, strict=True):
            path.write_text(RECIPE.format(root=images, epochs=EPOCHS, rate=rate))
        import_all()
        rows.append(["2 seeds, empty cache", *compared(recipes, 2, folder / "first")])
        rows.append([f"{asked.seeds} seeds", *compared(recipes, asked.seeds, folder / "second")])
        rows.append(["heads by hand", *by_hand(len(RATES) * asked.seeds, train)])
    print(*aligned(rows), sep="\n")
    print(machine())


def import_all() -> None:
    """Import what a comparison needs."""
    import scipy.stats  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import timm  # noqa: F401

    import tlf.runs.run
    import tlf.studies.compare.compare  # noqa: F401

    gc.freeze()  # as the command line does


def clock() -> tuple[float, float]:
    """The time, and the processor's time of this process."""
    return time.perf_counter(), time.process_time()


def compared(recipes: list[Path], seeds: int, output: Path) -> tuple[str, str]:
    """Seconds and processor seconds of a comparison."""
    import tlf

    wall, cpu = clock()
    *_, found = tlf.compare(recipes, seeds=seeds, output=output)
    assert len(found.seeds) == seeds
    end, cpu_end = clock()
    return f"{end - wall:.1f}", f"{cpu_end - cpu:.1f}"


def by_hand(runs: int, train: int) -> tuple[str, str]:
    """The same of a plain loop that trains as many heads on features that are in memory."""
    import torch

    features, labels = torch.randn(train, 512), torch.arange(train) % 2
    wall, cpu = clock()
    for seed in range(runs):
        torch.manual_seed(seed)
        head = torch.nn.Linear(512, 2)
        optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
        for _ in range(EPOCHS):
            for rows in torch.randperm(train).split(BATCH):
                loss = torch.nn.functional.cross_entropy(head(features[rows]), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            schedule.step()
    end, cpu_end = clock()
    return f"{end - wall:.1f}", f"{cpu_end - cpu:.1f}"


if __name__ == "__main__":
    main()
