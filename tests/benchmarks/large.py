"""How a run and its report grow with very many images: 100,000 and 1,000,000 JPEGs of 32 × 32 in
3,000 class folders, or as many as are asked for.

    python tests/benchmarks/large.py [--counts 100000,1000000] [--classes 3000] [--eval 10000]
                                     [--folder DIR] [--verify content|stat]

The images are hard links of a few files, in a temporary folder that is removed at the end. A run
trains a head on the features of a tiny backbone for one epoch: it is started twice, so that the
second start finds everything. `tlf report` then writes a page about the second run: it searches
the train images for those that look most like what was misjudged. For each part of a run, and
for the report, it prints seconds, images a second and the peak of the memory of all its
processes, and how much that is for each image above a run with two train images of each class.
All runs evaluate as many images, whose logits take memory by the number of classes. The others are
trained on: they are more than 10 × as many where there are 10 × as many images. The memory is the
anonymous part of PSS: libraries are files, which other programs share. Where there are several
counts, it prints how many times as many images each part had, and how many times as long it took.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from measuring import machine
from table import aligned

MOST_LINKS = 50_000
"""Hard links of one file: ext4 allows 65,000."""

SETTLED = 4
"""Seconds after which files are old enough to be remembered."""

_OWN = ("Pss_Anon", "Pss_Shmem")
"""What counts as memory of a process."""

PARTS = ("imports", "listing", "reading", "decoding", "features", "epoch", "evaluation", "end")
"""Of a run, in their order; the rest of the preparation counts as ``reading``."""

STARTS = ("first", "second", "report")
"""What is measured, in its order."""

RECIPE = """
seed = 0
batch_size = 256
output = "{output}"
report = false
[data]
kind = "folder"
root = "{root}"
verify = "{verify}"
missing_in_eval = "allow"
[transforms]
size = 32
resize = 32
[backbone]
kind = "timm"
model = "test_resnet"
weights = "none"
[head]
kind = "linear"
[cache]
dir = "{cache}"
max_gb = 40.0
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 1e-2
"""


@dataclass
class Part:
    """What a part of a run took."""

    seconds: float = 0.0
    peak: int = 0
    """Bytes of all processes of the run."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", default="100000,1000000", help="of images, the fewest first")
    parser.add_argument("--classes", type=int, default=3000)
    parser.add_argument(
        "--eval", type=int, default=10_000, help="how many of them are evaluated, a tenth at most"
    )
    parser.add_argument("--folder", help="where images and cache are made; removed at the end")
    parser.add_argument("--verify", default="stat", choices=("content", "stat"))
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--report", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        trained(asked.run)
        return
    if asked.report:
        reported(asked.report)
        return
    wanted = [*map(int, asked.counts.split(","))]
    asked.eval = min(asked.eval, min(wanted) // 10)
    counts = [2 * asked.classes + asked.eval, *wanted]
    runs: dict[int, list[dict[str, Part]]] = {}
    for images in counts:
        with tempfile.TemporaryDirectory(dir=asked.folder, prefix="tlf-large-") as folder:
            runs[images] = [*measured(Path(folder), images, asked)]
    print("\n".join(aligned([HEADER, *rows(runs, asked.eval)])))
    print(machine())


def measured(folder: Path, images: int, asked: argparse.Namespace) -> Iterator[dict[str, Part]]:
    """The parts of the first and of the second start, and of the report."""
    print(f"{images:,} images", file=sys.stderr)
    make(folder / "images", images, asked.eval, asked.classes)
    time.sleep(SETTLED)
    recipe = folder / "recipe.toml"
    for number in range(2):
        recipe.write_text(
            RECIPE.format(
                output=folder / f"run{number}", root=folder / "images", verify=asked.verify,
                cache=folder / "cache",
            )
        )  # fmt: skip
        yield watched([sys.executable, __file__, "--run", str(recipe)])
    yield watched([sys.executable, __file__, "--report", str(folder / "run1")])


def make(root: Path, images: int, evaluated: int, classes: int) -> None:
    """Class folders of hard links."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    contents = max(300, -(-images // MOST_LINKS))
    (root / "contents").mkdir(parents=True)
    for number in range(contents):
        pixels = random.integers(0, 256, (4, 4, 3), np.uint8)
        image = Image.fromarray(pixels).resize((32, 32))
        image.save(root / "contents" / f"{number}.jpg", quality=60)
    for split, share in (("train", images - evaluated), ("val", evaluated)):
        numbers = count()
        for k in range(classes):
            folder = root / split / f"class{k:04}"
            folder.mkdir(parents=True)
            own = share * (k + 1) // classes - share * k // classes
            for number in islice(numbers, own):
                source = root / "contents" / f"{number % contents}.jpg"
                os.link(source, folder / f"{number:07}.jpg")
    for file in (root / "contents").iterdir():
        file.unlink()
    (root / "contents").rmdir()


def trained(recipe: str) -> None:
    """Run a recipe, and print the name of each of its parts when it begins or goes on."""
    told("imports")
    import torch  # noqa: F401 - a run needs it: the listing is told apart from it

    import tlf
    from tlf.events import Prepared, Updated
    from tlf.recipe.plan import read_plan, with_splits
    from tlf.runs.record import RunStarted

    told("listing")
    plan = with_splits(read_plan(Path(recipe)))
    told("reading")
    for event in tlf.run(plan):
        if isinstance(event, RunStarted):
            told("features")
        if isinstance(event, Prepared) and event.title.startswith("decoding"):
            told("decoding")
        if isinstance(event, Updated):
            told("evaluation" if event.evaluating else "epoch")
    told("end")


def reported(run: str) -> None:
    """Write the report of a run."""
    import tlf

    told("report")
    tlf.write_report(run)


def told(part: str) -> None:
    """Print the name of the part that now goes on."""
    print(f"part {part}", flush=True)


def watched(command: list[str]) -> dict[str, Part]:
    """Run a command; part → what it took."""
    parts: dict[str, Part] = {}
    current, ended = [""], threading.Event()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def sample() -> None:
        pause = 0.1
        while not ended.wait(pause):
            if current[0]:
                began = time.perf_counter()
                peak = memory(process.pid)
                parts[current[0]].peak = max(parts[current[0]].peak, peak)
                # The kernel looks at every page, and the process waits for it meanwhile.
                pause = max(0.1, 30 * (time.perf_counter() - began))

    sampler = threading.Thread(target=sample)
    sampler.start()
    began = time.perf_counter()
    for line in process.stdout or ():
        if line.startswith("part "):
            now = time.perf_counter()
            if current[0]:
                parts[current[0]].seconds += now - began
            began = now
            name = line.split()[1]
            parts.setdefault(name, Part())
            current[0] = name
    code = process.wait()
    parts[current[0]].seconds += time.perf_counter() - began
    ended.set()
    sampler.join()
    if code:
        raise SystemExit(f"{' '.join(command)} failed")
    return parts


def memory(pid: int) -> int:
    """Bytes of a process and of those that it has started; what several share counts once."""
    total = 0
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += sum(1024 * int(text.split(f"\n{kind}:")[1].split()[0]) for kind in _OWN)
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += memory(int(child))
    except (OSError, IndexError):  # it has just ended
        pass
    return total


HEADER = (
    "images", "start", "part", "seconds", "images/s", "× images", "× seconds", "peak MiB",
    "bytes an image",
)  # fmt: skip


def handled(part: str, images: int, evaluated: int) -> int:
    """How many of the images a part is about."""
    if part == "evaluation":
        return evaluated
    return images - evaluated if part in ("features", "epoch") else images


def rows(runs: dict[int, list[dict[str, Part]]], evaluated: int) -> Iterator[list[str]]:
    """A line for each part of each run: beside that of the next smaller set, and memory beside that
    of the smallest one. ``evaluated``: how many images each run evaluates.
    """
    fewest, before = min(runs), None
    for images, starts in runs.items():
        for number, parts in enumerate(starts):
            base = max(part.peak for part in runs[fewest][number].values())
            for name in (*(part for part in PARTS if part in parts), "all"):
                part = parts.get(name) or Part(
                    sum(each.seconds for each in parts.values()),
                    max(each.peak for each in parts.values()),
                )
                own = runs[fewest][number].get(name, Part(peak=base)).peak
                earlier = runs[before][number].get(name) if before else None
                if before and name == "all":
                    earlier = Part(sum(each.seconds for each in runs[before][number].values()))
                more, above = images - fewest, part.peak - (base if name == "all" else own)
                own_images = handled(name, images, evaluated)
                fewer = handled(name, before or images, evaluated)
                yield [
                    f"{images:,}", STARTS[number], name, f"{part.seconds:.1f}",
                    f"{own_images / part.seconds:,.0f}" if part.seconds else "–",
                    f"{own_images / fewer:.1f}" if earlier else "–",
                    f"{part.seconds / earlier.seconds:.1f}" if earlier else "–",
                    f"{part.peak / 2**20:,.0f}", f"{above / more:,.0f}" if more else "–",
                ]  # fmt: skip
        before = images if images != fewest else None


if __name__ == "__main__":
    main()
