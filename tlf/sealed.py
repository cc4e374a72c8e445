"""Files of weights that know whether they are whole: safetensors, with JSON about them and a
SHA-256 of the file itself inside.

The digest is of every byte of the file, its own 64 digits read as zeros. So nothing in it can
change unnoticed: no tensor, no class name, no length in the header.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from tlf.errors import RunError, WeightsError

FORMAT = 1
"""Of the JSON that stands under the key ``tlf`` of the files' metadata."""

_BLANK = b"0" * 64

_MARK = rb"file_sha256\": \""
"""What stands before the digest in the header: JSON within a string of JSON. No text that a user
chose can look like it, because its quotes would be escaped once more."""

_CHUNK = 1 << 20


def write_sealed(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and what they are, to the side first.

    Raises:
        RunError: the file cannot be written.
    """
    from tlf.folders import written_whole  # reading is quicker without

    told = {"format": FORMAT, "file_sha256": _BLANK.decode(), **about}
    text = json.dumps(told, sort_keys=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with written_whole(path) as side:
            save_file(plain, side, metadata={"tlf": text})
            with side.open("r+b") as file:
                _seal(file)
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot write {path}: {error}") from error


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what a file says about itself, and make sure that every byte of it is as written.

    Raises:
        RunError: there is no such file, it cannot be read, or a newer tlf wrote it.
        WeightsError: it is damaged, or tlf did not write it.
    """
    if not path.is_file():
        raise RunError(f"there is no {path}; name the folder of a run that has ended")
    try:
        return _read(path)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        try:
            about = _about(path, _header(file))
        # A header whose bytes have changed can fail in any of these ways.
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise _damaged(path, "its header cannot be read") from error
        stated = about.pop("file_sha256", None)
        if stated != _digest(file):
            raise _damaged(path, "its bytes are not those that were written (SHA-256)")
    return about


def _about(path: Path, header: bytes) -> dict[str, Any]:
    metadata = json.loads(header[8:].decode()).get("__metadata__") or {}
    if "tlf" not in metadata:
        raise WeightsError(f"{path} was not written by tlf: it does not say what it is")
    about: dict[str, Any] = json.loads(metadata["tlf"])
    if about.pop("format") > FORMAT:
        raise RunError(f"{path} was written by tlf {about['tlf']}; upgrade: pip install -U tlf")
    return about


def _damaged(path: Path, how: str) -> WeightsError:
    return WeightsError(f"{path} is damaged: {how}; copy it again from the run that wrote it")


def _header(file: BinaryIO) -> bytes:
    """The length of the header and the header, as they stand at the beginning of the file."""
    file.seek(0)
    first = file.read(8)
    length = int.from_bytes(first, "little")
    # A damaged length may ask for more than fits into memory.
    if len(first) < 8 or length > file.seek(0, 2):
        raise ValueError("no header")
    file.seek(8)
    return first + file.read(length)


def _seal(file: BinaryIO) -> None:
    digest = _digest(file)
    file.seek(_place(_header(file)))
    file.write(digest.encode())


def _digest(file: BinaryIO) -> str:
    """SHA-256 of the whole file, with zeros where its own digest stands."""
    header = _header(file)
    place = _place(header)
    digest = sha256(header[:place] + _BLANK + header[place + len(_BLANK) :])
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _place(header: bytes) -> int:
    """Where the digest stands; beyond the header where it has none."""
    before, mark, _ = header.partition(_MARK)
    return len(before) + len(mark)
