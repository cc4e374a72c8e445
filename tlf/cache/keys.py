"""What stored results depend on. An entry's name is a hash of its key: whatever changes the bytes
of a result has to be in its key.

``pixel_key`` is for decoded images, ``feature_key`` for the output of frozen stages. Nothing here
imports torch: images are decoded while it is imported.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tlf
from tlf.components import Offer
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import nn

Key = dict[str, Any]
"""Name → what a result depends on, as JSON."""


def pixel_key(
    digests: Sequence[bytes],
    preprocessing: Preprocessing,
    code: Iterable[Path],
    decoders: Mapping[str, object],
) -> Key:
    """What decoded and resized images depend on.

    Parameters:
        digests: SHA-256 of each file's bytes; empty for one that could not be read.
        how: how they are resized.
        code: the files of the functions that decode and resize.
        decoders: name → version of the libraries behind those.
    """
    return {
        "images": sha256(b"".join(d or bytes(32) for d in digests)).hexdigest(),
        "resizing": resizing(preprocessing),
        "code": sha256(b"".join(file.read_bytes() for file in code)).hexdigest(),
        "decoders": decoders,
    }


def feature_key(
    manifest: str,
    preprocessing: Preprocessing,
    components: Sequence[tuple[object, Offer]],
    network: "nn.Module",
    frozen: Mapping[str, str],
    partition: Mapping[str, str],
    computed: Sequence[str],
    decoders: Mapping[str, object],
    *,
    seed: int | None,
    view: int,
) -> Key:
    """What the output of frozen stages depends on.

    Parameters:
        manifest: SHA-256 over names, labels and bytes of the images.
        how: how they are prepared.
        components: the backbone and the augmentations, with who offers them.
        network: the backbone's modules, whose settings and code matter.
        frozen: name → digest of its frozen parameters and of its buffers.
        partition: where the network is left.
        computed: what it is computed by (see ``tlf.cache.arithmetic``).
        decoders: name → version of the libraries that decode.
        seed: what random views are drawn from; None where nothing is random.
        view: which random view is drawn.
    """
    modules = [*network.modules()]
    return {
        "images": manifest,
        "preprocessing": asdict(preprocessing),
        "components": [
            {"kind": offer.kind, "options": repr(component), "version": offer.plugin.version}
            for component, offer in components
        ],
        "seed": seed,
        "view": view,
        "tensors": sha256(repr(sorted(frozen.items())).encode()).hexdigest(),
        "cut": dict(partition),
        "computed": [*computed],
        "settings": settings(network),
        "decoders": decoders,
        "versions": {name: version(name) for name in ("torch", "torchvision", "timm")},
        "tlf": engine(),
        "code": code_of({type(one) for one in (*modules, *(c for c, _ in components))}),
    }


def resizing(preprocessing: Preprocessing) -> Key:
    """What pixels depend on of the way in which images are prepared: not the scaling after it."""
    kept = {k: v for k, v in asdict(preprocessing).items() if k not in ("mean", "std")}
    return kept | {"channels": preprocessing.channels}


def engine() -> str:
    """SHA-256 of every source file of tlf: a result of other code is another result."""
    return sources(Path(tlf.__file__).parent, "**/*.py")


def settings(network: "nn.Module") -> str:
    """SHA-256 of what the modules of a network were made with: numbers and words, such as a norm's
    epsilon, which no tensor shows.
    """
    made = {
        name: {k: v for k, v in vars(part).items() if k != "training" and _is_plain(v)}
        for name, part in network.named_modules()
    }
    return sha256(repr(made).encode()).hexdigest()


def _is_plain(value: object) -> bool:
    """Whether its text is the same in every process; that of a function tells where it lies."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return isinstance(value, bool | int | float | str)


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
