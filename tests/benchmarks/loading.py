"""What it costs a program to load a head, beyond importing torch.

    python tests/benchmarks/loading.py runs/mine/head.safetensors [--repeats 25]

Each repeat is a fresh process that has imported torch. Prints milliseconds of importing
``tlf.load_head``, of calling it (which imports the module of the head's kind, too), and of both.
One more process comes first and does not count: it leaves the files in memory, and the modules
compiled on the disk, as pip does when it installs them."""

import argparse
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from jobs import ENVIRONMENT
from measuring import machine
from table import spread

PROGRAM = """
import sys, time
import torch
started = time.perf_counter()
import tlf
load_head = tlf.load_head
imported = time.perf_counter()
head = load_head(sys.argv[1])
print(imported - started, time.perf_counter() - imported)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("head", type=Path)
    parser.add_argument("--repeats", type=int, default=25)
    asked = parser.parse_args()
    taken(asked.head)
    imports, loading = zip(*(taken(asked.head) for _ in range(asked.repeats)), strict=True)
    both = [sum(pair) for pair in zip(imports, loading, strict=True)]
    print(f"{'n = ' + str(asked.repeats):10}milliseconds")
    for name, seconds in {"imports": imports, "loading": loading, "both": both}.items():
        print(f"{name:10}{spread([1000 * each for each in seconds])}")
    packages = ("torch", "safetensors", "tlf")
    print(f"{machine()}, {', '.join(f'{name} {version(name)}' for name in packages)}")


def taken(head: Path) -> tuple[float, float]:
    """Seconds of imports and of loading in one process.

    Raises:
        SystemExit: the head does not load; shows why.
    """
    command = [sys.executable, "-c", PROGRAM, str(head)]
    compiling = {**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, env=compiling, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    imports, loading = map(float, done.stdout.split())
    return imports, loading


if __name__ == "__main__":
    main()
