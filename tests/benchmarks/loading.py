"""What it costs a program to load a head, beyond importing torch.

    python tests/benchmarks/loading.py runs/mine/head.safetensors [--repeats 25] [--uncompiled]

Each repeat is a fresh process that has imported torch. Prints milliseconds of importing
``tlf.load_head``, of calling it (which imports the module of the head's kind, too), and of both.
One more process comes first and does not count: it leaves the files in memory, and the modules
compiled on the disk, as pip does when it installs them. With ``--uncompiled``, every process
compiles tlf's modules anew, as in a source tree where Python is told to write nothing."""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import copytree, ignore_patterns
from tempfile import TemporaryDirectory

from jobs import ENVIRONMENT, HERE
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


COMPILED = {**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": ""}
"""tlf as pip installs it: its modules are compiled once."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("head", type=Path)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--uncompiled", action="store_true")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        environment = uncompiled(Path(folder)) if asked.uncompiled else COMPILED
        taken(asked.head, environment)
        each = [taken(asked.head, environment) for _ in range(asked.repeats)]
    imports, loading = zip(*each, strict=True)
    both = [sum(pair) for pair in zip(imports, loading, strict=True)]
    print(f"{'n = ' + str(asked.repeats):10}milliseconds")
    for name, seconds in {"imports": imports, "loading": loading, "both": both}.items():
        print(f"{name:10}{spread([1000 * each for each in seconds])}")
    print(machine("torch", "safetensors", "tlf"))


def uncompiled(folder: Path) -> dict[str, str]:
    """tlf's sources alone, copied to a folder, beside which Python writes nothing."""
    source = HERE.parent.parent
    copytree(source / "tlf", folder / "tlf", ignore=ignore_patterns("__pycache__", "*.safetensors"))
    paths = os.pathsep.join([str(folder), ENVIRONMENT["PYTHONPATH"]])
    return {**ENVIRONMENT, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}


def taken(head: Path, environment: Mapping[str, str] = COMPILED) -> tuple[float, float]:
    """Seconds of imports and of loading in one process.

    Raises:
        SystemExit: the head does not load; shows why.
    """
    # -P: from where tlf is imported, the environment says, not the folder that this runs in.
    command = [sys.executable, "-P", "-c", PROGRAM, str(head)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    imports, loading = map(float, done.stdout.split())
    return imports, loading


if __name__ == "__main__":
    main()
