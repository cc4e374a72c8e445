"""Images of the test split that the run has trained on or chosen by: byte for byte the same."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

from tlf.components import Split
from tlf.data.splits import listed
from tlf.errors import DataError, StorageError

_AT_ONCE = 1024
"""Images that are given to the threads at once."""
_SHOWN = 3
"""So many images are named."""


@dataclass(frozen=True)
class Shared:
    """A test image that is in another split, too."""

    name: str
    split: str
    other: str
    """Its name there."""


def digests_of(split: Split) -> Iterator[bytes]:
    """SHA-256 of each image's bytes, in order; empty where it cannot be read.

    Raises:
        StorageError: what holds many images cannot be read.
    """

    def digest(index: int) -> bytes:
        try:
            return sha256(split.read(index)).digest()
        except StorageError:
            raise
        except (DataError, OSError):
            return b""

    with ThreadPoolExecutor() as threads:
        for start in range(0, len(split), _AT_ONCE):
            yield from threads.map(digest, range(start, min(start + _AT_ONCE, len(split))))


def shared_images(
    names: Sequence[str], digests: Sequence[bytes], others: Mapping[str, Split]
) -> tuple[Shared, ...]:
    """The test images that are in another split, too.

    Parameters:
        names: of the test images.
        digests: SHA-256 of the bytes of each.
        others: the other splits. Each of their images is read.
    """
    first: dict[bytes, tuple[str, str]] = {}
    wanted = {*filter(None, digests)}
    for title, split in others.items():
        for name, digest in zip(split.names, digests_of(split), strict=True):
            if digest in wanted:
                first.setdefault(digest, (title, name))
    return tuple(
        Shared(name, *first[digest])
        for name, digest in zip(names, digests, strict=True)
        if digest in first
    )


def sentence(shared: Sequence[Shared], images: int) -> str:
    """What it means that test images are in another split, too; empty where none is.

    >>> sentence([Shared("a.jpg", "train", "b.jpg")], 40)
    "1 of the 40 test images is in another split, too, byte for byte: 'a.jpg = b.jpg (train)'"
    """
    if not shared:
        return ""
    named = listed((f"{one.name} = {one.other} ({one.split})" for one in shared), _SHOWN)
    are = "is" if len(shared) == 1 else "are"
    return (
        f"{len(shared):,} of the {images:,} test images {are} in another split, too, byte for "
        f"byte: {named}"
    )
