"""What a path or a file is that holds no weights: said in a person's words, with what to do."""

import pickletools
import zipfile
from collections import deque
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tlf.errors import WeightsError
from tlf.pretrained.names import FIRST

FOREIGN = {
    ".onnx": "an ONNX file",
    ".h5": "a file of Keras",
    ".hdf5": "a file of Keras",
    ".keras": "a file of Keras",
    ".pb": "a file of TensorFlow",
    ".tflite": "a file of TensorFlow",
    ".index": "a file of TensorFlow",
    ".msgpack": "a file of Flax",
    ".npz": "a file of NumPy",
    ".npy": "a file of NumPy",
    ".pt2": "a program of torch.export",
}
"""Suffixes of files of other libraries, which a person may take for weights."""

ARCHIVES = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
"""Suffixes of archives."""

ARCHIVE, OTHERS, PAGE = (
    "unpack it, and name the file inside",
    "convert it to the names of the network, and write it with safetensors",
    "download the file itself, not the page about it",
)
"""What to do."""

TEXTS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself: git lfs pull"),
    (b"<", "a web page", PAGE),
    (b"", "a text", "name the file of weights itself, or copy it again"),
)
"""What a text begins with, what it is then, and what to do."""

SIGNS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x89HDF", "a file of Keras (HDF5)", OTHERS),
    (4, b"TFL3", "a file of TensorFlow", OTHERS),
    (0, b"\x93NUMPY", "a file of NumPy", OTHERS),
    (0, b"\x1f\x8b", "a gzip archive", ARCHIVE),
    (0, b"BZh", "a bzip2 archive", ARCHIVE),
    (0, b"\xfd7zXZ", "an xz archive", ARCHIVE),
    (0, b"7z\xbc\xaf", "a 7z archive", ARCHIVE),
    (0, b"Rar!", "a rar archive", ARCHIVE),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", ARCHIVE),
    (257, b"ustar", "a tar archive", ARCHIVE),
)
"""Where a file has which bytes, what it is then, and what to do."""

IN_FOLDERS = ("model.safetensors", "pytorch_model.bin", "*.safetensors", "*.pth", "*.pt", "*.ckpt")
"""Files of weights in a folder, the likeliest first."""


def check_path(path: Path) -> None:
    """Check that a path names a file that can be read.

    Raises:
        WeightsError: it does not; says what it names, and what to write instead.
    """
    try:
        if fault := _not_a_file(path):
            raise _error(fault)
        _start(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise _error((f"{path}: {reason}", "check its name and its permissions")) from error


def check_kind(path: Path) -> None:
    """Check that a file may hold weights, by what it looks like.

    Raises:
        WeightsError: it does not; says what it is, and what to do instead.
    """
    if fault := _not_weights(path):
        raise _error(fault)


def is_safetensors(path: Path) -> bool:
    """Whether a file looks like one of safetensors, whatever its suffix."""
    start = _start(path)
    length = int.from_bytes(start[:8], "little")
    return start[8:9] == b"{" and 8 + length <= path.stat().st_size


def state_dict_line(path: Path) -> str:
    """A command that writes a file of ``torch.save`` anew, with its tensors alone."""
    content = f"torch.load({str(path)!r}, map_location='cpu', weights_only=False)"
    return _command(f"torch.save({content}{_way_to_tensors(path)}, {_beside(path)!r})")


def _error(fault: tuple[str, str]) -> WeightsError:
    what, instead = fault
    return WeightsError(f"weights must name a file of weights, got {what}; {instead}")


def _not_a_file(path: Path) -> tuple[str, str] | None:
    address = str(path)
    if address.startswith(("http:/", "https:/")):
        return f"the address {address}", "download the file, and write its path"
    if path.is_file():
        return None
    if path.is_dir():
        inside = next((file for name in IN_FOLDERS for file in sorted(path.glob(name))), None)
        instead = f"write {inside}" if inside else "write the path of a file"
        return f"the folder {path}", instead
    if path.exists():
        return f"{path}, which is a device, a pipe or a socket", "write the path of a file"
    if path.is_symlink():
        return f"{path}, a link to {path.readlink()}, which does not exist", "fix the link"
    where = "" if path.is_absolute() else f" ({path.absolute()})"
    return f"{path}{where}, which does not exist", f"write the path of a file{_near(path)}"


def _near(path: Path) -> str:
    """What may be meant by a path that does not exist: what has nearly this name beside it."""
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, beside, n=1)
    return f" or of a run; did you mean {path.parent / close[0]}?" if close else " or of a run"


def _not_weights(path: Path) -> tuple[str, str] | None:
    start, suffix = _start(path), path.suffix.lower()
    if not start:
        return f"{path}, which is empty", "copy it again"
    if _is_text(start):
        text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
        what, instead = next(kind for sign, *kind in TEXTS if text.startswith(sign))
        return f"{path}, which is {what}", instead
    for place, sign, what, instead in SIGNS:
        if start[place:].startswith(sign):
            return f"{path}, which is {what}", instead
    if zipfile.is_zipfile(path) and (fault := _not_torch(path)):
        return fault
    if suffix in FOREIGN:
        return f"{path}, which is {FOREIGN[suffix]}", OTHERS
    return None


def _not_torch(path: Path) -> tuple[str, str] | None:
    """What a zip archive is, unless it is of ``torch.save``."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    ends = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in ends:
        line = f"torch.save(torch.jit.load({str(path)!r}).state_dict(), {_beside(path)!r})"
        return f"{path}, a TorchScript archive", f"write its weights: {_command(line)}"
    if "archive_format" in ends:
        line = f"torch.save(torch.export.load({str(path)!r}).state_dict, {_beside(path)!r})"
        return f"{path}, a program of torch.export", f"write its weights: {_command(line)}"
    if "data.pkl" in ends:
        return None
    if "model.weights.h5" in ends:
        return f"{path}, which is a file of Keras", OTHERS
    if names and all(name.endswith(".npy") for name in names):
        return f"{path}, which is a file of NumPy", OTHERS
    return f"{path}, which is a zip archive", ARCHIVE


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _is_text(start: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r" for byte in start[:64])


def _beside(path: Path) -> str:
    """A file of the same name for the tensors alone, in the current folder."""
    return f"{path.name.partition('.')[0]}_state_dict.pth"


def _command(line: str) -> str:
    return f'python -c "import torch; {line}"'


def _way_to_tensors(path: Path) -> str:
    """What leads from the object in a file to its tensors, as far as its pickle shows, which is
    read and not run.
    """
    operations = [(code.name, value) for code, value, _ in _pickled(path)]
    strings = {value for _, value in operations if isinstance(value, str)}
    table = next((name for name, _ in operations if name not in ("PROTO", "FRAME")), "")
    key = next((key for key in ("state_dict", *FIRST) if key in strings), None)
    if key is None or table not in ("EMPTY_DICT", "MARK"):
        return ".state_dict()"
    return f"[{key!r}]" + (".state_dict()" if "_modules" in strings and "state" not in key else "")


def _pickled(path: Path) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            yield from pickletools.genops(archive.read(name))
        return
    from torch.serialization import MAGIC_NUMBER

    with path.open("rb") as file:
        first = [*pickletools.genops(file)]
        if all(value != MAGIC_NUMBER for _, value, _ in first):  # pickled without torch
            yield from first
            return
        for _ in range(2):  # of torch before 2020: two more values about the file and the machine
            deque(pickletools.genops(file), maxlen=0)
        yield from pickletools.genops(file)
