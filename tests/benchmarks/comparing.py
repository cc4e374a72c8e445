"""How long `tlf compare` takes where the backbone is frozen, beside loops by hand.

    python tests/benchmarks/comparing.py [--images 400] [--seeds 10] [--repeats 3]

Drawn ants and bees as JPEGs of about 500 × 375, 250 of 400 to train on; timm's ResNet-18 at 224
pixels with weights of a file; two recipes that train a linear head for 20 epochs at two rates. In
turn, each in a process of its own, from the first image on: what was imported before is not
counted.

1. tlf, with an empty cache.
2. tlf again in another folder, which finds the features.
3. The same runs of tlf, none of which takes anything over from another, features found.
4. A loop by hand: it decodes each image and computes its features once, in batches of 32, and then
   trains all heads. After each epoch it evaluates the eval split.
5. A script by hand for each run: it decodes the images and computes the features, and trains one
   head. One run is measured, and multiplied by their number.

The loops write no files, prove nothing, and choose their batches at random.

Prints medians [smallest, largest], and how many times as long each takes as the loop by hand. Where
others use the machine, look at processor seconds."""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs import ENVIRONMENT
from material import make_images
from measuring import machine
from table import aligned, spread

EPOCHS, BATCH = 20, 32
RATES = (1e-2, 1e-3)
RECIPE = """
output = "run"
report = false
data = {{ kind = "folder", root = "{root}" }}
backbone = {{ kind = "timm", model = "resnet18", weights = "{weights}" }}
optimizer = "adamw"
[[phases]]
name = "head"
freeze = "backbone"
epochs = {epochs}
lr = {rate}
scheduler = "cosine"
"""
CONTESTANTS = {
    "tlf, empty cache": "tlf",
    "tlf, filled cache": "tlf",
    "tlf, nothing taken over": "alone",
    "loop by hand": "loop",
    "script by hand for each run": "script",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--contestant", choices=[*MEASURED], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contestant:
        wall, cpu = MEASURED[asked.contestant](asked.folder, asked.seeds)
        print(f"seconds {wall} {cpu}")
        return
    every: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, train = Path(name), asked.images * 5 // 8
        make_images(folder / "images", train, asked.images - train)
        make_weights(folder / "weights.safetensors")
        for number in range(asked.repeats):
            cache = str(folder / f"cache{number}")
            for title, contestant in CONTESTANTS.items():
                taken_by = taken(contestant, folder, cache, asked.seeds)
                every.setdefault(title, []).append(taken_by)
    by_hand = [spread_of[len(spread_of) // 2] for spread_of in columns(every["loop by hand"])]
    rows = [["", "seconds", "× loop", "CPU seconds", "× loop"]]
    for title, values in every.items():
        row = [title]
        for own, hand in zip(columns(values), by_hand, strict=True):
            row += [spread(own, 1), f"{own[len(own) // 2] / hand:.2f}"]
        rows.append(row)
    print(f"{len(RATES)} recipes, {asked.seeds} seeds, {asked.images} images, n = {asked.repeats}")
    print(*aligned(rows), sep="\n")
    print(machine("torch", "timm", "tlf"))


def columns(values: list[tuple[float, float]]) -> list[list[float]]:
    """Seconds, and processor seconds, each sorted."""
    return [sorted(column) for column in zip(*values, strict=True)]


def make_weights(path: Path) -> None:
    """Write weights of the network, so that no seed draws them."""
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("resnet18", num_classes=0).state_dict(), path)


def taken(contestant: str, folder: Path, cache: str, seeds: int) -> tuple[float, float]:
    """Seconds and processor seconds of a contestant, in a process of its own."""
    command = [sys.executable, __file__, "--contestant", contestant, "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--seeds", str(seeds)], env=ENVIRONMENT | {"TLF_CACHE": cache}, text=True,
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    _, wall, cpu = done.stdout.splitlines()[-1].split()
    return float(wall), float(cpu)


def clock() -> tuple[float, float]:
    """The time, and the processor's time of this process and of those it has started."""
    return time.perf_counter(), sum(os.times()[:4])


def recipes(folder: Path) -> list[Path]:
    """The files of the recipes, with all that they need imported."""
    import scipy.stats  # noqa: F401
    import timm  # noqa: F401

    import tlf.runs.run
    import tlf.studies.compare.compare  # noqa: F401

    gc.freeze()  # as the command line does
    paths = []
    for rate in RATES:
        paths.append(folder / f"{rate:g}.toml")
        weights = folder / "weights.safetensors"
        text = RECIPE.format(root=folder / "images", weights=weights, epochs=EPOCHS, rate=rate)
        paths[-1].write_text(text)
    return paths


def compared(folder: Path, seeds: int) -> tuple[float, float]:
    """Compare the recipes with tlf."""
    import tlf

    paths = recipes(folder)
    with tempfile.TemporaryDirectory(dir=folder) as output:
        wall, cpu = clock()
        *_, found = tlf.compare(paths, seeds=seeds, output=output)
        end, cpu_end = clock()
        assert len(found.seeds) == seeds
    return end - wall, cpu_end - cpu


def alone(folder: Path, seeds: int) -> tuple[float, float]:
    """Make the same runs with tlf, one by one."""
    import tlf

    paths = recipes(folder)
    with tempfile.TemporaryDirectory(dir=folder) as output:
        wall, cpu = clock()
        for path in paths:
            for seed in range(seeds):
                run = f"output={output}/{path.stem}-{seed}"
                for _ in tlf.run(path, [f"seed={seed}", run, "keep_state=false"]):
                    pass
        end, cpu_end = clock()
    return end - wall, cpu_end - cpu


def loop(folder: Path, seeds: int) -> tuple[float, float]:
    """Train all heads in one script of timm and torch."""
    import timm  # noqa: F401
    from PIL import Image  # noqa: F401
    from safetensors.torch import load_file  # noqa: F401

    wall, cpu = clock()
    train, evaluated = features(folder)
    for rate in RATES:
        for seed in range(seeds):
            train_head(train, evaluated, rate, seed)
    end, cpu_end = clock()
    return end - wall, cpu_end - cpu


def script(folder: Path, seeds: int) -> tuple[float, float]:
    """The time of one run in a script, times their number."""
    import timm  # noqa: F401
    from PIL import Image  # noqa: F401
    from safetensors.torch import load_file  # noqa: F401

    wall, cpu = clock()
    train_head(*features(folder), RATES[0], 0)
    end, cpu_end = clock()
    runs = seeds * len(RATES)
    return runs * (end - wall), runs * (cpu_end - cpu)


def features(folder: Path):
    """(features, labels) of the train and of the eval images."""
    import timm
    import torch
    from PIL import Image
    from safetensors.torch import load_file

    network = timm.create_model("resnet18", num_classes=0).eval()
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    found = []
    for split in ("train", "val"):
        paths = sorted((folder / "images" / split).rglob("*.jpg"))
        rows = []
        with torch.inference_mode():
            for start in range(0, len(paths), BATCH):
                some = paths[start : start + BATCH]
                batch = [prepare(Image.open(path).convert("RGB")) for path in some]
                rows.append(network(torch.stack(batch)))
        labels = torch.tensor([path.parent.name == "bees" for path in paths]).long()
        found.append((torch.cat(rows).clone(), labels))
    return found


def train_head(train, evaluated, rate: float, seed: int) -> float:
    """Train a head; its best accuracy."""
    import torch

    (given, labels), (unseen, truth) = train, evaluated
    torch.manual_seed(seed)
    head = torch.nn.Linear(given.shape[1], 2)
    optimizer = torch.optim.AdamW(head.parameters(), lr=rate)
    steps = EPOCHS * -(-len(given) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best = 0.0
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(given)).split(BATCH):
            loss = torch.nn.functional.cross_entropy(head(given[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.inference_mode():
            best = max(best, (head(unseen).argmax(1) == truth).float().mean().item())
    return best


MEASURED = {"tlf": compared, "alone": alone, "loop": loop, "script": script}


if __name__ == "__main__":
    main()
