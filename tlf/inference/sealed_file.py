"""Weights files that carry their own checksum: safetensors, with JSON metadata that holds a SHA-256
of the file (see ``tlf.runtime.seal``).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlf.errors import RunError, UnwritableError, WeightsError, in_shell
from tlf.runtime.regular_file import check_regular
from tlf.runtime.seal import BLANK, DIGEST, LONGEST_HEADER, digest, header, seal

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 3
"""The format of the JSON under the key ``tlf`` of the metadata. Format 1 names no task, and formats
1 and 2 say nothing about calibration; they are read too."""

NEWEST = 4
"""The newest format that is read. It has thresholds; a file without any stays of format 3, which
earlier versions of tlf read."""

START = 64
"""How many bytes are read before it is known that a file is one of safetensors."""

WANTED = "a run's head.safetensors or model.safetensors"
"""The files that tlf writes; errors say to name one of them."""


def read_sealed(path: Path) -> tuple[dict[str, Any], bytes]:
    """Read a file, and check that every byte is as it was written.

    Returns:
        Its metadata, and all its bytes.

    Raises:
        RunError: there is no such file, it is unreadable, or a newer tlf wrote it.
        WeightsError: it is damaged, or tlf did not write it.
    """
    if not path.is_file():
        raise absent(path)
    try:
        data = _bytes(path)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    except MemoryError as error:
        raise RunError(
            f"cannot read {path}: its {path.stat().st_size:,} bytes do not fit into memory"
        ) from error
    if not _is_safetensors(data):
        raise WeightsError(f"{path} is not a safetensors file; name {WANTED}")
    try:
        about = _about(path, header(data))
    # A header with changed bytes can fail in any of these ways.
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise _damaged(path, "its header is unreadable") from error
    if about.pop(DIGEST, None) != digest(data):
        raise _damaged(path, "its bytes are not those that were written (SHA-256)")
    return about, data


def _bytes(path: Path) -> bytes:
    """All bytes of a file; its start alone if it is no whole file of safetensors, since it may then
    be of any size.
    """
    with path.open("rb") as file:
        start = file.read(START)
        if _is_safetensors(start):
            length = int.from_bytes(start[:8], "little")
            start += file.read(max(0, min(8 + length, LONGEST_HEADER) - START))
        if _claimed_size(start) != path.stat().st_size:
            return start
        check_regular(path)  # a file of holes may claim more than the machine has memory
        return start + file.read()


def _claimed_size(start: bytes) -> int | None:
    """The size of a file, as its header has it; None if that cannot be read."""
    try:
        whole = header(start)
        tensors: dict[str, Any] = json.loads(whole[8:])
        ends = [one["data_offsets"][1] for key, one in tensors.items() if key != "__metadata__"]
        return len(whole) + max(ends, default=0)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
        return None


def absent(path: Path, wanted: str = WANTED) -> RunError:
    """The error for a missing weights file. ``wanted``: what to name instead."""
    from tlf.runtime.files import is_run, near_runs, with_absolute

    run = path.parent
    if is_run(run) and not (run / "model.safetensors").is_file():
        return RunError(
            f"there is no {with_absolute(path)}: the run in {run} has not ended; "
            f"stop it with its best model: tlf stop {in_shell(run)}; or, if it was stopped, "
            f"resume with: tlf resume {in_shell(run)}"
        )
    return RunError(f"there is no {with_absolute(path)}; name {wanted}{near_runs(path)}")


def _about(path: Path, header: bytes) -> dict[str, Any]:
    if len(header) > LONGEST_HEADER:
        raise ValueError("too long a header")
    metadata = json.loads(header[8:].decode()).get("__metadata__") or {}
    if "tlf" not in metadata:
        raise WeightsError(
            f"{path} is a safetensors file that was not written by tlf: "
            f"it has no metadata of tlf; name {WANTED}"
        )
    about: dict[str, Any] = json.loads(metadata["tlf"])
    number = about.pop("format")
    if type(number) is not int or not 1 <= number <= NEWEST:
        writer = f"tlf {about['tlf']!s:.20}" if "tlf" in about else "another tlf"
        raise RunError(
            f"the format of {path} must be one of 1 to {NEWEST}, got {number!r:.20}: it was "
            f"written by {writer}; upgrade: pip install -U tlf"
        )
    return about


def _is_safetensors(data: bytes) -> bool:
    """Whether the bytes start like a safetensors file: the header's length in 8 bytes, then ``{``.
    Of a shorter file, whether the upper bytes of the length are 0.
    """
    return data[8:9] == b"{" if len(data) > 8 else not any(data[4:])


def _damaged(path: Path, fault: str) -> WeightsError:
    return WeightsError(f"{path} is damaged: {fault}; copy it again from the run that wrote it")


def write_sealed(
    path: Path, tensors: "Mapping[str, Tensor]", about: Mapping[str, Any], number: int = FORMAT
) -> None:
    """Write tensors and their metadata. The file appears under its name when it is complete.

    ``number``: the oldest format that says all of it.

    Raises:
        UnwritableError: the file cannot be written.
    """
    import torch  # what only reads the metadata waits for none of these
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from tlf.runtime.files import written_whole
    from tlf.runtime.strict_json import dumps

    metadata = {"format": number, DIGEST: BLANK, **about}
    text = dumps(metadata, sort_keys=True)
    # Layers that a network uses twice have two names for one tensor, which safetensors refuses.
    plain = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    try:
        with written_whole(path) as side:
            save_file(plain, side, metadata={"tlf": text})
            seal(side)
    except (OSError, SafetensorError) as error:
        raise UnwritableError(f"cannot write {path}: {error}") from error
