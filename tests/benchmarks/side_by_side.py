"""Run a recipe and the same job as a plain PyTorch loop side by side, in turn.

    python tests/benchmarks/side_by_side.py [--pictures FOLDER] [--repeats 3] [--epochs 2] [--size
    224]

Prints seconds end to end, seconds and pictures per second of the last epoch, and peak memory of
each, as the median and the range over the repeats, and the ratio of the medians. Makes its own
pictures (400 JPEGs of about 500 × 375) where no folder is given. Whole processes are measured,
imports included."""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
RECIPE = """
batch_size = {batch_size}
output = "{output}"
data = {{ kind = "folder", root = "{pictures}", bad_images = "skip" }}
transforms = {{ augment = "crop-flip", size = {size}, resize = {resize} }}
backbone = {{ kind = "torchvision", model = "resnet18", weights = "none" }}
optimizer = {{ kind = "sgd", momentum = 0.9 }}
[[phases]]
name = "only"
freeze = "{freeze}"
epochs = {epochs}
lr = 1e-3
"""


@dataclass(frozen=True)
class Figures:
    """What one process took."""

    seconds: float
    epoch_seconds: float
    pictures_per_second: float
    peak_mib: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        pictures = asked.pictures or make_pictures(work / "pictures")
        for what in ("all", "head"):
            measured: dict[str, list[Figures]] = {"plain loop": [], "tlf": []}
            for repeat in range(asked.repeats):
                measured["plain loop"].append(measure(plain_command(asked, pictures, what)))
                command = tlf_command(asked, pictures, what, work / f"{what}-{repeat}")
                measured["tlf"].append(measure(command))
            report(what, measured)
    import torch

    print(
        f"\n{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
        f"Python {platform.python_version()}, torch {torch.__version__}, n = {asked.repeats}"
    )


def plain_command(asked: argparse.Namespace, pictures: Path, what: str) -> list[str]:
    """The plain loop."""
    options = [pictures, asked.epochs, asked.batch_size, asked.size, what]
    return [sys.executable, str(HERE / "plain_loop.py"), *map(str, options)]


def tlf_command(asked: argparse.Namespace, pictures: Path, what: str, output: Path) -> list[str]:
    """The recipe."""
    recipe = output.with_suffix(".toml")
    recipe.write_text(
        RECIPE.format(
            batch_size=asked.batch_size, output=output, pictures=pictures, epochs=asked.epochs,
            size=asked.size, resize=asked.size * 256 // 224,
            freeze="nothing" if what == "all" else "backbone",
        )
    )  # fmt: skip
    return [sys.executable, "-m", "tlf", str(recipe)]


def measure(command: list[str]) -> Figures:
    """Run a command to its end; its own last epoch line, the clock's and the system's figures."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{output}")
    rate, epoch = re.findall(r"(\d+) pictures/s,? +([\d.]+) s", output)[-1]
    return Figures(seconds, float(epoch), float(rate), usage.ru_maxrss / 1024)


def report(what: str, measured: dict[str, list[Figures]]) -> None:
    """One table."""
    print(f"\n{'full fine-tuning' if what == 'all' else 'feature extraction'}, crop-flip, float32")
    print(f"{'':<12}{'seconds':>24}{'s / epoch':>24}{'pictures/s':>24}{'peak MiB':>24}")
    medians = {}
    for name, figures in measured.items():
        columns = [[getattr(f, field) for f in figures] for field in Figures.__annotations__]
        medians[name] = [statistics.median(column) for column in columns]
        cells = [f"{statistics.median(c):.1f} [{min(c):.1f}, {max(c):.1f}]" for c in columns]
        print(f"{name:<12}" + "".join(f"{cell:>24}" for cell in cells))
    ratios = [a / b for a, b in zip(medians["plain loop"], medians["tlf"], strict=True)]
    print(f"{'plain / tlf':<12}" + "".join(f"{ratio:>24.2f}" for ratio in ratios))


def make_pictures(root: Path, count: int = 400) -> Path:
    """JPEGs of about 500 × 375 with structure at every scale, in two classes, 5 : 3 train and
    val."""
    rng = np.random.default_rng(0)
    for number in range(count):
        split, label = ("train", "val")[number % 8 > 4], ("a", "b")[number % 2]
        folder = root / split / label
        folder.mkdir(parents=True, exist_ok=True)
        height, width = rng.integers(340, 410), rng.integers(460, 540)
        layers = [_noise(rng, cells, width, height) for cells in (4, 16, 64)]
        pixels = np.clip(sum(layers) / 3 + 20 * (label == "b"), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.jpg", quality=90)
    return root


def _noise(rng: np.random.Generator, cells: int, width: int, height: int) -> np.ndarray:
    small = Image.fromarray(rng.integers(0, 255, (cells, cells, 3), dtype=np.uint8))
    return np.asarray(small.resize((int(width), int(height)), Image.Resampling.BICUBIC), np.float32)


if __name__ == "__main__":
    main()
