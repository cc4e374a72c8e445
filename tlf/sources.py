"""Whose source code a result depends on, as hashes: code that changes gives other results."""

import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

_LARGE = frozenset({"torch", "torchvision", "timm"})
"""Packages whose versions stand for their code."""


def code_of(kinds: Iterable[type]) -> list[str]:
    """What stands for the code of some classes and of all that it may call.

    For tlf and the large libraries, the name of the module. For everything else, the hash of all
    source files of its package, or of those beside a module that is in none; and, since it may
    call anything, the names and versions of all installed distributions.
    """
    modules = {kind.__module__ for kind in kinds}
    third = {name for name in modules if name.partition(".")[0] not in _LARGE | {"tlf"}}
    found = {*(modules - third), *map(_code, third), *(installed() if third else ())}
    return sorted(found)


def _code(module: str) -> str:
    top = sys.modules.get(module.partition(".")[0])
    own = getattr(sys.modules.get(module), "__file__", None)
    if top is not None and getattr(top, "__file__", None) and hasattr(top, "__path__"):
        return sources(Path(str(top.__file__)).parent, "**/*.py")
    return module if own is None else sources(Path(own).parent, "*.py")


@cache
def sources(folder: Path, pattern: str) -> str:
    """SHA-256 of the files in a folder whose names fit a pattern, and of the names."""
    found = {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.glob(pattern)
    }
    return sha256(repr(sorted(found.items())).encode()).hexdigest()


@cache
def installed() -> frozenset[str]:
    """``name-version`` of every installed distribution: what its folder is called."""
    folders = (Path(place) for place in sys.path)
    return frozenset(
        path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.dist-info")
    )
