"""Read weights from files, copy them into a network, and hash them.

A file of weights may come from anybody, and may be damaged. The libraries that read it then raise
errors of any kind; ``read`` is the one place where all of them become a ``WeightsError``.
"""

import os
import re
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from tlf.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

STARTER = Path(__file__).with_name("starter_resnet18.safetensors")
"""The weights that come with tlf."""

SUFFIXES = (".safetensors", ".pth", ".pt")
"""Suffixes of files of weights in a recipe."""

_FLOATS, _WHOLE = ("float64", "float32", "float16", "bfloat16"), ("int64", "int32", "int16", "int8")
PLAIN = (*_FLOATS, *_WHOLE, "uint8", "bool", "complex64", "complex128")
"""torch's types of tensors in a file. Floats of 8 bits and fewer need a scale to mean anything."""

SHOWN = 5
"""How many tensors an error names."""


@dataclass(frozen=True)
class StoredWeights:
    """The content of a file of weights."""

    tensors: "dict[str, Tensor]"
    metadata: Mapping[str, str]
    """Metadata of a safetensors file; empty for other files."""


def local_file(weights: str, architecture: str) -> Path | None:
    """The file that a recipe's ``weights`` names, or None if it names no file.

    >>> str(local_file("runs/a/model.safetensors", "resnet50"))
    'runs/a/model.safetensors'
    >>> local_file("IMAGENET1K_V1", "resnet50") is None
    True

    Raises:
        WeightsError: the weights that come with tlf are of another architecture.
    """
    if weights == "starter":
        if architecture != "resnet18":
            raise WeightsError(
                f'model must be "resnet18" for weights = "starter", got "{architecture}"; '
                'write model = "resnet18", or weights = "none" (random)'
            )
        return STARTER
    return Path(os.path.expanduser(weights)) if weights.endswith(SUFFIXES) else None


def read(path: Path) -> StoredWeights:
    """Read a file of weights: safetensors, or a file of ``torch.save``. Runs no code from it.

    The tensors may be under ``state_dict`` or ``model``. The prefix ``module.``, which
    data-parallel training adds to every name, is removed.

    Raises:
        WeightsError: there is no such file, or it holds anything but plain tensors, or is damaged.
    """
    if not path.is_file():
        raise WeightsError(
            f"weights must name a file that exists, got {path}; "
            "write its path, absolute or relative to the current folder"
        )
    try:
        stored = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
        _check_plain(path, stored.tensors)
    except WeightsError:
        raise
    except Exception as error:  # a damaged file makes torch and safetensors raise anything
        safe = path.suffix == ".safetensors"
        fault = "is not a whole safetensors file" if safe else "cannot be read as torch weights"
        raise WeightsError(f"{path} {fault}: {_reason(error)}; copy it again") from error
    return stored


def fit(
    module: "nn.Module", tensors: "Mapping[str, Tensor]", ignored: Collection[str] = ()
) -> None:
    """Copy weights into all tensors of a network, and convert them to its dtypes.

    ``num_batches_tracked`` may be missing, as in files from older versions of torch.

    Parameters:
        module: the network; its parameters and buffers are changed in place.
        tensors: name → tensor, as the network names them.
        ignored: names of modules whose tensors are not copied, such as the classifier.

    Raises:
        WeightsError: a tensor is missing, left over, of another shape or kind of number, or not
            finite. Then nothing is copied.
    """
    import torch

    own = module.state_dict()
    given = {name: tensor for name, tensor in tensors.items() if not _below(name, ignored)}
    missing = [n for n in own if n not in given and not n.endswith("num_batches_tracked")]
    misfits = [m for name, tensor in own.items() if (m := _misfit(name, tensor, given.get(name)))]
    problems = [
        *_listed("missing", missing),
        *_listed("not part of the network", [_shown(name) for name in given if name not in own]),
        *_listed("of another shape or type", misfits),
    ]
    if not problems:  # of tensors that fit, the size is known: no file makes this take long
        endless = [_shown(name) for name, tensor in given.items() if not _is_finite(tensor)]
        problems = _listed("with NaN or infinity", endless)
    if problems:
        raise WeightsError(
            f"the weights do not fit a {type(module).__name__}: " + "; ".join(problems)
        )
    with torch.no_grad():
        for name, tensor in given.items():
            own[name].copy_(tensor)


def vacated(module: "nn.Module", classifier: str) -> str:
    """The outermost module around a removed classifier that has no tensors any more.

    Files may have more tensors under that name: under ``head`` if ``head.linear`` had a norm.

    >>> from torch import nn
    >>> vacated(nn.ModuleDict({"stem": nn.Linear(1, 1), "head": nn.Identity()}), "head.linear")
    'head'
    """
    parts = classifier.split(".")
    prefixes = [".".join(parts[: end + 1]) for end in range(len(parts))]
    left = module.state_dict()
    return next((p for p in prefixes if not any(_below(n, [p]) for n in left)), classifier)


def fingerprint(state: "Mapping[str, Tensor]") -> str:
    """SHA-256 over the names, dtypes, shapes and bytes of tensors; their order does not matter.

    >>> import torch
    >>> a, b = torch.zeros(2), torch.ones(3, dtype=torch.bfloat16)
    >>> fingerprint({"a": a, "b": b}) == fingerprint({"b": b, "a": a})
    True
    >>> fingerprint({"a": a}) == fingerprint({"a": a.reshape(2, 1)})
    False
    """
    import torch

    digest = sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read_safetensors(path: Path) -> StoredWeights:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return StoredWeights(_unprefixed(tensors), file.metadata() or {})


def _read_torch(path: Path) -> StoredWeights:
    import torch

    # Files from before 2020 are no zip archives and cannot be memory-mapped.
    mapped = zipfile.is_zipfile(path)
    if mapped:
        _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except UnpicklingError as error:
        if "global" not in str(error).lower() and "allowlisted" not in str(error):
            raise
        raise WeightsError(
            f"{path} must hold only tensors, got other objects, and reading them could run code. "
            "If you trust the file, load it and write its state_dict with safetensors"
        ) from error
    return StoredWeights(_unwrapped(content, path), {})


def _check_archive(path: Path) -> None:
    """Check that an archive is not compressed, before anything in it is read: torch compresses
    none, and a small file could fill the memory.
    """
    with zipfile.ZipFile(path) as archive:
        claimed = sum(member.file_size for member in archive.infolist())
    if claimed > (size := path.stat().st_size):
        raise WeightsError(
            f"{path} must be as torch.save writes it, got an archive of {size} bytes that claims "
            f"to hold {claimed}; write its state_dict with torch.save or safetensors"
        )


def _check_plain(path: Path, tensors: "Mapping[str, Tensor]") -> None:
    """Check that tensors are dense, of a plain type, and no larger than their file."""
    import torch

    size = path.stat().st_size
    odd = [
        f"{_shown(name)} ({tensor.layout}, {tensor.dtype})"
        for name, tensor in tensors.items()
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter)
        or tensor.layout is not torch.strided
        or tensor.device.type != "cpu"
        or tensor.is_nested
        or str(tensor.dtype).removeprefix("torch.") not in PLAIN
        or tensor.nbytes > size
    ]
    if odd:
        raise WeightsError(
            f"{path} must hold plain dense tensors; {_listed('of another kind', odd)[0]}; "
            "write them as float32, with to_dense() or dequantize()"
        )


def _is_finite(tensor: "Tensor") -> bool:
    """Whether a tensor is finite in float32, to which it is converted."""
    if not tensor.is_floating_point():
        return True
    values = tensor.float()
    # A sum is fast, and is not finite where a value is not. It may also overflow.
    return bool(values.sum().isfinite()) or bool(values.isfinite().all())


def _unwrapped(content: object, path: Path) -> "dict[str, Tensor]":
    from torch import Tensor

    for wrapper in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = content.items() if isinstance(content, Mapping) else ()
    named = {name: value for name, value in tensors if isinstance(value, Tensor)}
    if not named or not all(isinstance(name, str) for name in named):
        raise WeightsError(
            f"{path} must hold tensors by name, or under 'state_dict' or 'model', got none"
        )
    return _unprefixed(named)


def _unprefixed(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    prefixed = all(name.startswith("module.") for name in tensors)
    return {name.removeprefix("module.") if prefixed else name: t for name, t in tensors.items()}


def _below(name: str, modules: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _misfit(name: str, own: "Tensor", given: "Tensor | None") -> str:
    if given is None:
        return ""
    if own.shape != given.shape:
        return f"{name} is {_shape(given)} in the file and {_shape(own)} in the network"
    if (own.is_floating_point(), own.is_complex()) != (
        given.is_floating_point(), given.is_complex()
    ):  # fmt: skip
        return f"{name} is {given.dtype} in the file and {own.dtype} in the network"
    return ""


def _shape(tensor: "Tensor") -> str:
    return re.sub(r",\)", ")", str(tuple(tensor.shape)))


def _reason(error: Exception) -> str:
    """What a library says about a file: its first line."""
    said = str(error).rpartition("WeightsUnpickler error: ")[2].strip()
    line = next(iter(said.splitlines()), "")
    return f"{type(error).__name__}: {_shown(line, 200)}" if line else type(error).__name__


def _shown(text: str, longest: int = 80) -> str:
    """A text from a file for a message: control characters are escaped, and it is cut."""
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


def _listed(label: str, names: list[str]) -> list[str]:
    """The number of names and the first few of them.

    >>> _listed("missing", ["a", "b", "c", "d", "e", "f", "g"])
    ['7 missing: a, b, c, d, e and 2 more']
    """
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{len(names)} {label}: {', '.join(names[:SHOWN])}{more}"]
