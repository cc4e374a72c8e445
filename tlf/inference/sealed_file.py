"""Weights files that carry their own checksum: safetensors, with JSON metadata that holds a SHA-256
of the file.

The digest covers every byte of the file; its own 64 digits are read as zeros. So no change goes
unnoticed: not in a tensor, a class name or the header's length.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from tlf.errors import RunError, WeightsError
from tlf.runtime.strict_json import dumps

FORMAT = 2
"""The format of the JSON under the key ``tlf`` of the metadata. Format 1 names no task; it is read
too."""


BLANK = b"0" * 64
"""Stands in the digest's place while it is computed."""


WANTED = "a run's head.safetensors or model.safetensors"
"""The files that tlf writes; errors say to name one of them."""


_MARK = rb"file_sha256\": \""
"""The bytes before the digest in the header: JSON inside a JSON string. No text of a user can
contain them, because its quotes would be escaped once more."""


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
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    if not _is_safetensors(data):
        raise WeightsError(f"{path} is not a safetensors file; name {WANTED}")
    try:
        about = _about(path, header(data))
    # A header with changed bytes can fail in any of these ways.
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise _damaged(path, "its header is unreadable") from error
    if about.pop("file_sha256", None) != digest(data):
        raise _damaged(path, "its bytes are not those that were written (SHA-256)")
    return about, data


def absent(path: Path, wanted: str = WANTED) -> RunError:
    """The error for a missing weights file. ``wanted``: what to name instead."""
    from tlf.runtime.files import is_run

    run = path.parent
    if is_run(run) and not (run / "model.safetensors").is_file():
        return RunError(
            f"there is no {path}: the run in {run} has not ended; "
            f"if it was stopped, resume with: tlf resume {run}"
        )
    return RunError(f"there is no {path}; name {wanted}")


def header(data: bytes) -> bytes:
    """The first bytes of a file: the header's length and the header.

    Raises:
        ValueError: the file ends within them.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    if end > len(data):
        raise ValueError("no header")
    return data[:end]


def digest(data: bytes) -> str:
    """SHA-256 of a whole file, with zeros in place of its own digest."""
    start = header(data)
    place = digest_place(start)
    hashed = sha256(start[:place] + BLANK + start[place + len(BLANK) :])
    hashed.update(memoryview(data)[len(start) :])
    return hashed.hexdigest()


def digest_place(header: bytes) -> int:
    """The position of the digest; beyond the header's end if it has none."""
    before, mark, _ = header.partition(_MARK)
    return len(before) + len(mark)


def _about(path: Path, header: bytes) -> dict[str, Any]:
    metadata = json.loads(header[8:].decode()).get("__metadata__") or {}
    if "tlf" not in metadata:
        raise WeightsError(
            f"{path} is a safetensors file that was not written by tlf: "
            f"it has no metadata of tlf; name {WANTED}"
        )
    about: dict[str, Any] = json.loads(metadata["tlf"])
    if about.pop("format") > FORMAT:
        raise RunError(f"{path} was written by tlf {about['tlf']}; upgrade: pip install -U tlf")
    return about


def _is_safetensors(data: bytes) -> bool:
    """Whether the bytes start like a safetensors file: the header's length in 8 bytes, then ``{``.
    Of a shorter file, whether the upper bytes of the length are 0.
    """
    return data[8:9] == b"{" if len(data) > 8 else not any(data[4:])


def _damaged(path: Path, fault: str) -> WeightsError:
    return WeightsError(f"{path} is damaged: {fault}; copy it again from the run that wrote it")


def write_sealed(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and their metadata. The file appears under its name when it is complete.

    Raises:
        RunError: the file cannot be written.
    """
    from tlf.runtime.files import written_whole  # what only reads does not wait for it

    metadata = {"format": FORMAT, "file_sha256": BLANK.decode(), **about}
    text = dumps(metadata, sort_keys=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with written_whole(path) as side:
            save_file(plain, side, metadata={"tlf": text})
            _seal(side)
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot write {path}: {error}") from error


def _seal(path: Path) -> None:
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(digest_place(header(data)))
        file.write(digest(data).encode())
