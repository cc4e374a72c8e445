"""tlf on a GPU, in at most eight minutes: is it right, and how near is it to the network alone?

    python tests/benchmarks/gpu.py [--json gpu.json] [--minutes 8]

Prints a row as soon as it is measured, and writes all of them to the JSON file. Rows that the time
does not suffice for are left out from the end, and named. What a machine lacks is skipped by name.
Without a GPU it rehearses on the CPU: figures of a rehearsal say nothing.

Each contestant is one warm process: imports and the start of the device are not measured. The
images are 4,000 drawn JPEGs of about 500 × 375 (a fifth to evaluate on); the network is ResNet-18
at 224 px. "of memory" is the share of the images per second that the network alone reaches, fed
from memory (the row of the same precision and batch)."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gpu_rows
import material
from gpu_contestant import Contestants, end
from jobs import HERE

Row = dict[str, Any]
TOGETHER = 8
"""Tests that run at the same time on a GPU."""


@dataclass
class Bench:
    """The rows so far, and the time that is left."""

    asked: argparse.Namespace
    about: Row
    began: float = field(default_factory=time.monotonic)
    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def left(self) -> float:
        """Seconds."""
        return 60 * self.asked.minutes - (time.monotonic() - self.began)

    def add(self, row: Row) -> None:
        """Print a row, and write all of them."""
        row["at"] = round(time.monotonic() - self.began, 1)
        self.rows.append(row)
        print(gpu_rows.line(row, self.rows), flush=True)
        self.write()

    def write(self) -> None:
        """Write everything that is known."""
        known = {**self.about, "left_out": self.left_out, "rows": self.rows}
        self.asked.json.write_text(json.dumps(known, indent=1))


def main() -> None:
    """Measure, row by row."""
    asked = arguments()
    bench = Bench(asked, about())
    print(json.dumps(bench.about), flush=True)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        work = Path(folder)
        for each in smoke(bench):
            bench.add(each)
        scale = gpu_rows.TINY if asked.tiny else gpu_rows.FULL
        draw(work, scale)
        material.make_weights(work / "resnet18.safetensors")
        bench.add({"row": "images are drawn", "images": scale.images})
        with Contestants(work) as contestants:
            for row in gpu_rows.rows(scale, work, len(bench.about["gpu"])):
                if asked.only and not any(name in row["row"] for name in asked.only):
                    continue
                if bench.left_out or bench.left() < row.get("needs", 15):
                    bench.left_out.append(row["row"])
                elif "skipped" in row:
                    bench.add(row)
                else:
                    limit = max(10, min(90, bench.left()))
                    bench.add({**row, **contestants.ask(row["by"], row["work"], limit)})
    if bench.left_out:
        print(f"left out, for lack of time: {', '.join(bench.left_out)}")
    bench.write()


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--json", type=Path, default=Path("gpu.json"))
    parser.add_argument("--folder", type=Path, help="where images and caches are put for the time")
    parser.add_argument(
        "--only", type=lambda text: text.split(";"), help="parts of rows' names, with ; between"
    )
    parser.add_argument("--tiny", action="store_true", help="a few tiny images, to rehearse")
    parser.add_argument("--no-tests", action="store_true", help="leave out the tests")
    return parser.parse_args()


def about() -> Row:
    """The machine and the versions, without importing torch."""
    found = {}
    for name in ("tlf", "torch", "torchvision", "timm", "accelerate", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    asked = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        gpus = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20)
        gpu = gpus.stdout.strip().splitlines()
    except (OSError, subprocess.SubprocessError):
        gpu = []
    return {
        "gpu": gpu, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version(),
        "versions": found,
    }  # fmt: skip


def smoke(bench: Bench) -> Iterator[Row]:
    """The tests that need a GPU; a row for each figure that they measure."""
    if bench.asked.no_tests:
        return
    environment = {**os.environ}
    if not bench.about["gpu"]:
        environment["TLF_GPU_TESTS"] = "cpu"
    # Otherwise each of them would compute on all cores.
    environment["OMP_NUM_THREADS"] = str(max(1, bench.about["cores"] // TOGETHER))
    root = HERE.parent.parent
    command = [
        sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider",
        "-p", "no:benchmark",  # it warns where tests run in several processes
        *("-n", str(TOGETHER) if bench.about["gpu"] else "0", "--dist", "load"),
        *gpu_tests(root / "tests", rehearsal=not bench.about["gpu"]),
        *(["-k", "features"] if bench.asked.tiny else []),
    ]  # fmt: skip
    figures = bench.asked.json.with_suffix(".figures.txt").absolute()
    figures.write_text("")
    environment["TLF_GPU_FIGURES"] = str(figures)
    log = bench.asked.json.with_suffix(".tests.txt")
    with log.open("w") as printed:
        tests = subprocess.Popen(
            command, stdout=printed, stderr=subprocess.STDOUT, env=environment, cwd=root,
            start_new_session=True,
        )  # fmt: skip
        try:
            status: int | str = tests.wait(min(150, bench.left() / 2))
        except subprocess.TimeoutExpired:
            status = "they took too long"
        end(tests)
    lines = log.read_text().splitlines()
    yield {"row": "tests", "status": status, "says": lines[-1] if lines else ""}
    failed = [line for line in lines if line.startswith("FAILED")]
    for line in (*sorted(figures.read_text().splitlines()), *failed):
        yield {"row": "test", "says": line}


def gpu_tests(tests: Path, *, rehearsal: bool) -> list[str]:
    """The files with tests that need a GPU; a rehearsal runs one of them."""
    if rehearsal:
        return [str(tests / "end_to_end" / "test_gpu.py")]
    return [str(path) for path in tests.rglob("test_*.py") if "mark.gpu" in path.read_text()]


def draw(work: Path, scale: gpu_rows.Scale) -> None:
    """Draw the images on all cores, and give them more names."""
    cores = len(os.sched_getaffinity(0))
    images, small = work / "images", work / "small"
    with ProcessPoolExecutor(cores) as pool:

        def shared(function: Callable[..., None], *given: Any) -> None:
            for _ in pool.map(partial(function, *given, cores), range(cores)):
                pass

        shared(material.make_share, images, scale.images)
        material.make_smaller(images, small, 48, 50)
        shared(material.make_links, images, work / "many", scale.many)
        shared(material.make_links, small, work / "rows", scale.rows)


if __name__ == "__main__":
    main()
