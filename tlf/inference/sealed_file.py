"""Files of weights that know whether they are whole: safetensors, with JSON about them and a
SHA-256 of the file itself inside.

The digest is of every byte of the file, its own 64 digits read as zeros. So nothing in it can
change unnoticed: no tensor, no class name, no length in the header.
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
from tlf.runtime.files import written_whole

FORMAT = 2
"""Of the JSON under the key ``tlf`` of the files' metadata. Format 1, which names no task, is read,
too."""


BLANK = b"0" * 64
"""What stands in the digest's place when it is computed."""


WANTED = "a run's head.safetensors or model.safetensors"
"""What to name instead of a file that is none of tlf's."""


_MARK = rb"file_sha256\": \""
"""What stands before the digest in the header: JSON within a string of JSON. No text that a user
chose can look like it, because its quotes would be escaped once more."""


def read_sealed(path: Path) -> tuple[dict[str, Any], bytes]:
    """Read a file, and make sure that every byte of it is as written.

    Returns:
        What the file says about itself, and all its bytes.

    Raises:
        RunError: there is no such file, it cannot be read, or a newer tlf wrote it.
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
    # A header whose bytes have changed can fail in any of these ways.
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise _damaged(path, "its header cannot be read") from error
    if about.pop("file_sha256", None) != digest(data):
        raise _damaged(path, "its bytes are not those that were written (SHA-256)")
    return about, data


def absent(path: Path, wanted: str = WANTED) -> RunError:
    """The error for a file of weights that is not there; ``wanted`` is what to name instead."""
    from tlf.runtime.files import is_run

    run = path.parent
    if is_run(run) and not (run / "model.safetensors").is_file():
        return RunError(
            f"there is no {path}: the run in {run} has not ended; "
            f"if it was stopped, go on with: tlf resume {run}"
        )
    return RunError(f"there is no {path}; name {wanted}")


def header(data: bytes) -> bytes:
    """The length of the header and the header, as they stand at the beginning of a file.

    Raises:
        ValueError: the file ends before.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    if end > len(data):
        raise ValueError("no header")
    return data[:end]


def digest(data: bytes) -> str:
    """SHA-256 of a whole file, with zeros where its own digest stands."""
    first = header(data)
    place = digest_place(first)
    found = sha256(first[:place] + BLANK + first[place + len(BLANK) :])
    found.update(memoryview(data)[len(first) :])
    return found.hexdigest()


def digest_place(header: bytes) -> int:
    """Where the digest stands; beyond the header where it has none."""
    before, mark, _ = header.partition(_MARK)
    return len(before) + len(mark)


def _about(path: Path, header: bytes) -> dict[str, Any]:
    metadata = json.loads(header[8:].decode()).get("__metadata__") or {}
    if "tlf" not in metadata:
        raise WeightsError(
            f"{path} is a safetensors file that was not written by tlf: "
            f"it does not say what it is; name {WANTED}"
        )
    about: dict[str, Any] = json.loads(metadata["tlf"])
    if about.pop("format") > FORMAT:
        raise RunError(f"{path} was written by tlf {about['tlf']}; upgrade: pip install -U tlf")
    return about


def _is_safetensors(data: bytes) -> bool:
    """Whether they begin as such a file does: with the ``{`` of its JSON after the 8 bytes that
    hold the header's length; of a file cut before that, whether the length's upper bytes are 0.
    """
    return data[8:9] == b"{" if len(data) > 8 else not any(data[4:])


def _damaged(path: Path, fault: str) -> WeightsError:
    return WeightsError(f"{path} is damaged: {fault}; copy it again from the run that wrote it")


def write_sealed(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and what they are, to the side first.

    Raises:
        RunError: the file cannot be written.
    """
    told = {"format": FORMAT, "file_sha256": BLANK.decode(), **about}
    text = json.dumps(told, sort_keys=True)
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
