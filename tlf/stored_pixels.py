"""Decoded and resized pictures in the cache: what they are known by, and how they are read.

Nothing here imports torch before a picture is asked for.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlf import opening, pictures
from tlf.caching.entry import Entry, Wanted
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class StoredPixels:
    """Resized pictures as they were decoded once."""

    entry: Entry
    shapes: Sequence[Shape]
    """(C, H, W) of each."""
    starts: Sequence[int]
    """Where the bytes of each begin."""

    def __call__(self, index: int) -> "Tensor":
        """A uint8 picture (C, H, W)."""
        import torch

        shape = self.shapes[index]
        return torch.from_numpy(self.entry.read(self.starts[index], prod(shape))).view(shape)


def wanted_pixels(digests: Sequence[bytes], what: str, how: Preprocessing) -> Wanted:
    """The pixels of the pictures with these hashes, empty for one that could not be read."""
    code = b"".join(Path(str(module.__file__)).read_bytes() for module in (opening, pictures))
    depends = {
        "pictures": sha256(b"".join(d or bytes(32) for d in digests)).hexdigest(),
        "resizing": resizing(how),
        "code": sha256(code).hexdigest(),
        "decoders": opening.decoders(),
    }
    return Wanted("pixels", pixels_title(sum(map(bool, digests)), what), depends)


def resizing(how: Preprocessing) -> dict[str, Any]:
    """What pixels depend on of the way in which pictures are prepared."""
    kept = {k: v for k, v in asdict(how).items() if k not in ("mean", "std")}
    return kept | {"channels": how.channels}


def pixels_title(count: int, what: str) -> str:
    """What so many pixels are called, for a person."""
    return f"{count} decoded {what} pictures"
