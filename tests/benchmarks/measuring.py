"""Run a whole process and measure it."""

import json
import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

LINE = re.compile(r"epoch \d+: top-1 ([\d.]+)%, ([\d.]+) s")


@dataclass(frozen=True)
class Figures:
    """What one process took, imports and exit included."""

    seconds: float
    cpu_seconds: float
    """Of all cores, in user and system mode, worker processes included."""
    peak_mib: float
    """Of its largest process."""
    stored_mib: float
    """Everything it left on the disk, a cache included."""
    first_epoch: float
    later_epochs: float
    """Median seconds of the epochs after the first, as told by itself; with evaluation."""
    mean_epoch: float
    """Mean seconds of the same epochs."""
    top1: float
    """Of the last epoch, in percent."""
    epochs: int
    estimated: bool = False


def measure(
    command: list[str], folder: Path, environment: Mapping[str, str], cache: Path
) -> Figures:
    """Run a command to its end in a folder of its own.

    Raises:
        SystemExit: it failed; shows the end of what it printed.
    """
    with (folder / "printed.txt").open("w+") as printed:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=printed, stderr=subprocess.STDOUT, cwd=folder, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        text = printed.read()
    if status:
        raise SystemExit(f"{' '.join(command)}\nfailed:\n{text[-3000:]}")
    epochs = told(folder, text)
    if not epochs:
        raise SystemExit(f"{' '.join(command)}\ntold of no epoch:\n{text[-3000:]}")
    times = [each for _, each in epochs]
    return Figures(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
        stored_mib=(stored(folder) + stored(cache)) / 2**20,
        first_epoch=times[0],
        later_epochs=statistics.median(times[1:] or times),
        mean_epoch=statistics.mean(times[1:] or times),
        top1=epochs[-1][0],
        epochs=len(epochs),
    )


def machine(*packages: str) -> str:
    """The processor, how many of its cores may be used, and the versions of Python and packages."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(": ", 1)[1] if names else cpu
    cores = len(os.sched_getaffinity(0))
    versions = [platform.python_version(), *(f"{name} {version(name)}" for name in packages)]
    return f"{cpu}, {cores} cores; Python {', '.join(versions)}"


def told(folder: Path, text: str) -> list[tuple[float, float]]:
    """Top-1 in percent and seconds of each epoch: from tlf's metrics, or from printed lines.

    >>> told(Path("/nowhere"), "epoch 1: top-1 93.33%, 12.5 s")
    [(93.33, 12.5)]
    """
    files = [*folder.glob("run*/metrics.jsonl")]
    if files:
        lines = [json.loads(line) for line in files[0].read_text().splitlines()]
        return [(100 * line["eval_top1"], line["seconds"]) for line in lines]
    return [(float(top1), float(seconds)) for top1, seconds in LINE.findall(text)]


def stored(folder: Path) -> int:
    """Bytes of the files in a folder, what it printed aside."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "printed.txt")
    return sum(path.stat().st_size for path in files)


def extended(figures: Figures, epochs: int) -> Figures:
    """What ``epochs`` epochs would have taken: everything else, and ``epochs`` × one epoch.

    >>> few = Figures(30.0, 50.0, 900.0, 0.0, 12.0, 10.0, 10.0, 90.0, 2)
    >>> many = extended(few, 25)
    >>> many.seconds, many.estimated
    (260.0, True)
    """
    if figures.epochs == epochs:
        return figures
    more = epochs - figures.epochs
    share = figures.cpu_seconds / figures.seconds
    longer = more * figures.later_epochs
    return Figures(
        figures.seconds + longer, figures.cpu_seconds + share * longer, figures.peak_mib,
        figures.stored_mib, figures.first_epoch, figures.later_epochs, figures.mean_epoch,
        figures.top1, figures.epochs, estimated=True,
    )  # fmt: skip
