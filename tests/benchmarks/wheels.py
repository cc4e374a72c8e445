"""What a GPU machine without a network lacks, as wheels to carry there.

    python tests/benchmarks/wheels.py wheels [--have freeze.txt] [--python 3.12]

``freeze.txt`` is what ``pip freeze`` prints there. Its packages, and torch's CUDA libraries, are
left out. Without it, everything that tlf needs is fetched, except torch and torchvision, in the
versions that are installed here. tlf itself is built from this repository. There:

    pip install --no-index --no-deps --target site wheels/*.whl
    PYTHONPATH=site python tests/benchmarks/gpu.py"""

import argparse
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from jobs import HERE
from packaging.requirements import Requirement

ROOT = HERE.parent.parent
THERE = ("torch", "torchvision")
"""What every GPU machine has, of a version that fits its driver."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def main() -> None:
    """Fetch and build."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--have", type=Path, help="what pip freeze prints there")
    parser.add_argument("--python", default="3.12")
    asked = parser.parse_args()
    have = {canonical(name) for name in THERE}
    if asked.have:
        have |= {canonical(re.split(r"[ =@]", line)[0]) for line in asked.have.open()}
    target = ["--only-binary=:all:", "--python-version", asked.python, "--implementation", "cp"]
    target += [word for platform in PLATFORMS for word in ("--platform", platform)]
    requirements = [Requirement(line) for line in distribution("tlf").requires or ()]
    wanted = [each.name for each in requirements if each.marker is None]
    missing = [
        f"{name}=={version}"
        for name, version in needed([*wanted, "pytest", "pytest-xdist"], have, {}).items()
    ]
    if missing:
        pip("download", "--quiet", "--no-deps", *target, "-d", str(asked.folder), *missing)
    pip("wheel", "--quiet", "--no-deps", "-w", str(asked.folder), str(ROOT))
    print(*sorted(path.name for path in asked.folder.glob("*.whl")), sep="\n")


def needed(names: list[str], have: set[str], found: dict[str, str]) -> dict[str, str]:
    """These packages and what they need → the versions that are installed here."""
    for name in names:
        if canonical(name) in found or is_there(name, have):
            continue
        installed = distribution(name)
        found[canonical(name)] = installed.version
        wanted = [Requirement(line) for line in installed.requires or ()]
        more = [r.name for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
        needed(more, have, found)
    return found


def is_there(name: str, have: set[str]) -> bool:
    """Whether the machine has it: by its list, or because it comes with torch."""
    return canonical(name) in have or canonical(name).startswith(("nvidia-", "cuda-", "triton"))


def canonical(name: str) -> str:
    """A package's name as PEP 503 writes it.

    >>> canonical("Click_Default.Group")
    'click-default-group'
    """
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def pip(*arguments: str) -> None:
    """Run pip of this interpreter."""
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)


if __name__ == "__main__":
    main()
