"""What `tlf predict` takes, beside the network alone and a plain loop.

    python tests/benchmarks/predicting.py RUN IMAGES [--repeats 7]
    python tests/benchmarks/predicting.py RUN IMAGES --network timm.models.resnet:resnet18

RUN is a finished run with the network, by default torchvision's ResNet-18; IMAGES is a folder.
Whole processes are measured, imports and exit included, one after the other in turn. Many images:
tlf, the network alone, on pixels that were decoded before, and a plain loop (decode a batch,
classify it). One image: tlf, and a script that imports torch and the network's module and
classifies once. "Fast start": as tlf, the script does without torch's compiler, which torchvision
and timm import for nothing.

Prints seconds and processor seconds, and tlf's ratios to the others: medians of the ratios of all
turns. Where others use the machine, look at processor seconds."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from jobs import ENVIRONMENT, HERE
from measuring import machine
from table import spread

SCRIPT = HERE / "contestants" / "predicting.py"
FAST_START = """import runpy, sys
from tlf.cli.lazy_torch import defer_imports
defer_imports()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")"""


class Taken(NamedTuple):
    """What one process took."""

    seconds: float
    cpu_seconds: float
    """Of all cores."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--network", default="torchvision.models.resnet:resnet18")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    from tlf.inference.predict import expand

    paths = [*expand([str(asked.images)])]
    with tempfile.TemporaryDirectory() as folder:
        decoded = Path(folder) / "pixels.npy"
        decode(paths, asked.size, decoded)
        network = [*asked.network.split(":"), str(asked.size)]
        compare(
            f"{len(paths)} images",
            many(asked.run, asked.images, paths, network, decoded),
            asked.repeats,
        )
    compare("one image", one(asked.run, paths[0], network), asked.repeats)
    print(machine("torch", "torchvision", "timm", "pillow", "tlf"))


def many(
    run: Path, images: Path, paths: list[str], network: list[str], decoded: Path
) -> dict[str, list[str]]:
    """Who classifies all images → the command."""
    script = [str(SCRIPT), "network", *network, str(decoded)]
    return {
        "tlf": tlf(run, str(images)),
        "network alone, fast start": [sys.executable, "-c", FAST_START, *script],
        "plain loop": [sys.executable, str(SCRIPT), "plain", *network, *paths],
    }


def one(run: Path, path: str, network: list[str]) -> dict[str, list[str]]:
    """Who classifies one image → the command."""
    script = [str(SCRIPT), "one", *network, path]
    return {
        "tlf": tlf(run, path),
        "script": [sys.executable, *script],
        "script, fast start": [sys.executable, "-c", FAST_START, *script],
    }


def tlf(run: Path, images: str) -> list[str]:
    """What tlf is started with."""
    return [sys.executable, "-m", "tlf", "predict", str(run), images, "--format", "csv"]


def decode(paths: list[str], size: int, file: Path) -> None:
    """Write the pixels of all images, as the plain loop decodes them."""
    import numpy as np

    sys.path.insert(0, str(SCRIPT.parent))
    from predicting import decoded  # type: ignore[attr-defined]

    np.save(file, np.stack([decoded(path, size).numpy() for path in paths]))


def compare(title: str, commands: Mapping[str, list[str]], repeats: int) -> None:
    """Measure everybody in turn, and print. One turn comes first and does not count."""
    turns = [{who: taken(command) for who, command in commands.items()} for _ in range(repeats + 1)]
    del turns[0]
    print(f"{title}, n = {repeats}\n{'':26}{'seconds':22}{'CPU seconds':22}tlf / this    in CPU")
    for who in commands:
        seconds, cpu = zip(*(turn[who] for turn in turns), strict=True)
        ratios = [
            statistics.median(turn["tlf"][which] / turn[who][which] for turn in turns)
            for which in range(2)
        ]
        print(
            f"{who:26}{spread(seconds, 2):22}{spread(cpu, 2):22}{ratios[0]:<14.2f}{ratios[1]:.2f}"
        )
    print()


def taken(command: list[str]) -> Taken:
    """Run a command to its end.

    Raises:
        SystemExit: it failed; shows why.
    """
    with tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=errors, env=ENVIRONMENT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)}\nfailed:\n{errors.read()[-3000:]}")
    return Taken(seconds, usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    main()
