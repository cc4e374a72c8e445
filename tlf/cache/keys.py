"""The keys of stored results. The name of an entry is a hash of its key: everything that changes
the bytes of a result must be in its key.

``pixel_key`` is for decoded images, ``feature_key`` for the output of frozen stages. What probes of
a network answer has a ``network_key``. This module does not import torch: images are decoded while
it is imported.
"""

import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tlf
from tlf.catalogue import Offer
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import nn

Key = dict[str, Any]
"""Name → something that a result depends on, as a JSON value."""


def pixel_key(
    digests: Sequence[bytes],
    preprocessing: Preprocessing,
    decoders: Mapping[str, object],
    *,
    full: bool = False,
) -> Key:
    """The key of decoded images.

    Parameters:
        digests: SHA-256 of each file's bytes; empty for an unreadable file.
        preprocessing: how they are resized.
        decoders: name → version of the libraries that decode.
        full: whether they keep their full resolution.
    """
    total = sha256()
    for digest in digests:
        total.update(digest or bytes(32))
    after = ("size", "resize", "crop", "interpolation")
    resized = resizing(preprocessing)
    full_resolution = {name: value for name, value in resized.items() if name not in after}
    return {
        "images": total.hexdigest(),
        "resizing": full_resolution if full else resized,
        "tlf": engine(),
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
    full: bool,
) -> Key:
    """The key of the output of frozen stages.

    Parameters:
        manifest: SHA-256 over names, labels and bytes of the images.
        preprocessing: how they are prepared.
        components: the backbone and the augmentations, with their offers.
        network: the backbone; the settings and the code of its modules are in the key.
        frozen: name → hash of its frozen parameters and of its buffers.
        partition: where the network is left.
        computed: hardware and library settings (see ``tlf.cache.arithmetic``).
        decoders: name → version of the libraries that decode.
        seed: the seed of random views; None if nothing is random.
        view: the number of the random view.
        full: whether augmentations get images at full resolution.
    """
    return {
        "images": manifest,
        "preprocessing": asdict(preprocessing),
        "seed": seed,
        "view": view,
        "full": full,
        "tensors": sha256(repr(sorted(frozen.items())).encode()).hexdigest(),
        "cut": dict(partition),
        "computed": [*computed],
        "decoders": decoders,
        **network_key(network, components),
    }


def network_key(network: "nn.Module", components: Sequence[tuple[object, Offer]]) -> Key:
    """The part of a key that says what a network computes, but for its tensors.

    Parameters:
        network: the settings and the code of its modules are in the key.
        components: what it is built from and what prepares its images, with their offers.
    """
    return {
        "components": [
            {"kind": offer.kind, "options": repr(component), "version": offer.plugin.version}
            for component, offer in components
        ],
        "settings": settings(network),
        "versions": {name: version(name) for name in ("torch", "torchvision", "timm")},
        "tlf": engine(),
        "code": code_of({type(part) for part in (*network.modules(), *(c for c, _ in components))}),
    }


def resizing(preprocessing: Preprocessing) -> Key:
    """The part of the preprocessing that pixels depend on: not what comes after it."""
    after = ("mean", "std", "prepare")
    options = {k: v for k, v in asdict(preprocessing).items() if k not in after}
    return options | {"channels": preprocessing.channels}


def engine() -> str:
    """SHA-256 of every source file of tlf: any change of its code may change a result."""
    return sources(Path(tlf.__file__).parent, "**/*.py")


def settings(network: "nn.Module") -> str:
    """SHA-256 of the plain attributes of a network's modules, such as a norm's epsilon: no tensor
    has them.
    """
    attributes = {
        name: {k: v for k, v in vars(part).items() if k != "training" and _is_plain(v)}
        for name, part in network.named_modules()
    }
    return sha256(repr(attributes).encode()).hexdigest()


def _is_plain(value: object) -> bool:
    """Whether its ``repr`` is the same in every process; that of a function has its address."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return isinstance(value, bool | int | float | str)


_LARGE = frozenset({"torch", "torchvision", "timm"})
"""Packages whose code is known by their versions."""


def code_of(kinds: Iterable[type]) -> list[str]:
    """Identify the code of some classes, and all code that it may call.

    For tlf and the large libraries: the name of the module. For every other class: the hash of all
    source files of its package (or of its folder, if it is in no package) and, since it may call
    anything, the names and versions of all installed distributions.
    """
    modules = {kind.__module__ for kind in kinds}
    third_party = any(_is_third_party(name) for name in modules)
    return sorted({*map(_code, modules)} | (installed() if third_party else frozenset()))


def plugin_code(modules: Iterable[str]) -> str:
    """SHA-256 of the source files of a plugin, by the names of its modules: of their packages, or
    of the folders of modules that are in no package.
    """
    return sha256(repr(sorted({*map(_code, modules)})).encode()).hexdigest()


def _is_third_party(module: str) -> bool:
    return module.partition(".")[0] not in _LARGE | {"tlf"}


def _code(module: str) -> str:
    if not _is_third_party(module):
        return module
    top = sys.modules.get(module.partition(".")[0])
    own = getattr(sys.modules.get(module), "__file__", None)
    if top is not None and getattr(top, "__file__", None) and hasattr(top, "__path__"):
        return sources(Path(str(top.__file__)).parent, "**/*.py")
    if own is None:
        return module
    folder = Path(own).parent
    # Beside installed distributions, the other modules of the folder belong to somebody else.
    alone = any(folder.glob("*.dist-info"))
    return sources(folder, Path(own).name if alone else "*.py")


def processor() -> str:
    """The model of the processor: libraries choose their kernels by it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


@cache
def sources(folder: Path, pattern: str) -> str:
    """SHA-256 of the names and contents of the files in a folder that match a pattern."""
    hashes = {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.glob(pattern)
    }
    return sha256(repr(sorted(hashes.items())).encode()).hexdigest()


@cache
def installed() -> frozenset[str]:
    """``name-version`` of every installed distribution, from the names of their folders."""
    folders = (Path(entry) for entry in sys.path)
    return frozenset(
        path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.dist-info")
    )
