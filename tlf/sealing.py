"""Write files of weights that know whether they are whole; what they are, ``tlf.sealed`` says."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from tlf.errors import RunError
from tlf.folders import written_whole
from tlf.sealed import BLANK, FORMAT, digest, digest_place, header


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
