"""Read files of weights: safetensors, or a file of ``torch.save``. No code in them is run.

A file of weights may come from anybody, and may be damaged. The libraries that read it then raise
errors of any kind; ``read`` is the one place where all of them become a ``WeightsError``.
"""

import os
import zipfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from tlf.errors import WeightsError
from tlf.pretrained.file_kinds import check_kind, check_path, is_safetensors, state_dict_line
from tlf.pretrained.names import Groups, first, listed, shown

if TYPE_CHECKING:
    from torch import Tensor

_FLOATS, _WHOLE = ("float64", "float32", "float16", "bfloat16"), ("int64", "int32", "int16", "int8")
PLAIN = (*_FLOATS, *_WHOLE, "uint8", "bool", "complex64", "complex128")
"""torch's types of tensors in a file. Floats of 8 bits and fewer need a scale to mean anything."""


@dataclass(frozen=True)
class StoredWeights:
    """The content of a file of weights."""

    groups: Groups
    """The tensors by name, under each key of the file that has any."""
    metadata: Mapping[str, str]
    """Metadata of a safetensors file; empty for other files."""

    @property
    def tensors(self) -> "dict[str, Tensor]":
        """The tensors that stand first, by name, without what torch adds to names."""
        return first(self.groups)


def read(path: Path) -> StoredWeights:
    """Read a file of weights: safetensors, or a file of ``torch.save``. Runs no code from it. The
    folder of a run stands for its best model.

    The tensors may be under a key such as ``state_dict``. The prefixes ``module.`` and
    ``_orig_mod.``, which torch adds to every name, are removed.

    Raises:
        WeightsError: there is no such file, or it holds anything but plain tensors, or is damaged.
    """
    path = model_of(path)
    check_path(path)
    safe = is_safetensors(path) or path.suffix.lower() == ".safetensors"
    try:
        check_kind(path)
        stored = _read_safetensors(path) if safe else _read_torch(path)
        for tensors in stored.groups.values():
            _check_plain(path, tensors)
    except WeightsError:
        raise
    except Exception as error:  # a damaged file makes torch and safetensors raise anything
        fault = "is not a whole safetensors file" if safe else "cannot be read as torch weights"
        raise WeightsError(f"{path} {fault}: {_reason(error)}; copy it again") from error
    return stored


def model_of(path: Path) -> Path:
    """The file of weights that a path stands for: of a run's folder, that of its best model.

    Raises:
        WeightsError: the run has no model.
    """
    if not os.path.isfile(path / "recipe.toml"):  # a Path raises where its name is too long
        return path
    model = path / "model.safetensors"
    if not model.is_file():
        raise WeightsError(
            f"the run in {path} has no model yet; wait for its end, or stop it: tlf stop {path}"
        )
    return model


def _read_safetensors(path: Path) -> StoredWeights:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return StoredWeights({"": tensors}, file.metadata() or {})


def _read_torch(path: Path) -> StoredWeights:
    import torch

    # Files from before 2020 are no zip archives and cannot be memory-mapped.
    mapped = zipfile.is_zipfile(path)
    if mapped:
        _check_archive(path)
    try:
        # Training scripts store their arguments in a Namespace: it holds values and runs nothing.
        with torch.serialization.safe_globals([Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except UnpicklingError as error:
        if "global" not in str(error).lower() and "allowlisted" not in str(error):
            raise
        raise WeightsError(
            f"{path} must hold only tensors, got other objects, and reading them could run code. "
            f"If you trust the file, write its tensors alone: {state_dict_line(path)}"
        ) from error
    groups = dict(_groups(content, "", set()))
    if not groups:
        raise WeightsError(f"{path} must hold tensors by name, got none; save its state_dict")
    return StoredWeights(groups, {})


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


def _groups(
    content: object, key: str, seen: set[int]
) -> "Iterator[tuple[str, Mapping[str, Tensor]]]":
    """The tables of a file that hold tensors by name. Each table is read once: a small file may
    name one in very many places.
    """
    from torch import Tensor

    if not isinstance(content, Mapping) or id(content) in seen:
        return
    seen.add(id(content))
    if not all(isinstance(name, str) for name in content):  # such as an optimizer's state
        return
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield key, tensors
    for name, value in content.items():
        yield from _groups(value, f"{key}.{name}".removeprefix("."), seen)


def _check_plain(path: Path, tensors: "Mapping[str, Tensor]") -> None:
    """Check that tensors are dense, of a plain type, and no larger than their file."""
    import torch

    size = path.stat().st_size
    odd = [
        f"{shown(name)} ({tensor.layout}, {tensor.dtype})"
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
            f"{path} must hold plain dense tensors; {listed('of another kind', odd)[0]}; "
            "write them as float32, with to_dense() or dequantize()"
        )


def _reason(error: Exception) -> str:
    """What a library says about a file: its first line."""
    said = str(error).rpartition("WeightsUnpickler error: ")[2].strip()
    line = next(iter(said.splitlines()), "")
    return f"{type(error).__name__}: {shown(line, 200)}" if line else type(error).__name__
