"""What a dataset builds: the images of each split, their labels and the names of the classes."""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Stamp = tuple[int, int, int, int, int]
"""What a file system says about a file: its size in bytes, when it was modified and when it was
changed in any way (nanoseconds), the number of its inode and that of its device."""


@dataclass(frozen=True)
class Split:
    """The images of one split. ``read`` returns the bytes of an image file, wherever they are
    stored.
    """

    names: Sequence[str]
    """What a person finds each image by, usually its path."""
    labels: Sequence[Any]
    """The label of each image, as the task defines it: for one label per image, its class index."""
    read: Callable[[int], bytes]
    """Index → the encoded image (JPEG, PNG, …). Must be picklable: worker processes may load
    images.

    It may have methods by which ``data.verify = "stat"`` knows an image without reading it:
    ``stamp(index) -> Stamp | None``, where the image is a file of its own, or ``digest(index) ->
    bytes | None``, the SHA-256 of its bytes, and ``size(index) -> int``, how many these are, where
    an index of an archive holds them."""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Column → its value for each image; of the columns that ``build_with`` was asked for."""
    groups: Sequence[str] | None = None
    """The group of each image, where a recipe has ``data.group``. The engine fills it in."""

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Split({len(self):,} images)"


@dataclass(frozen=True)
class HeldOut:
    """How a dataset has held out train images as its eval split. The engine may do so anew."""

    fraction: float
    note: str
    """Which of ``Splits.notes`` says so."""


@dataclass(frozen=True)
class Splits:
    """What a dataset builds: images to train on, images to evaluate on, and the class names.

    The class map comes from the train split; the eval split is aligned to it by name. Classes of
    which only one split has images are named, too: the recipe says what becomes of them.
    """

    train: Split
    eval: Split
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What a person should know about how the splits were made: one sentence each."""
    test: Split | None = None
    """Images that no decision sees. A run only lists them; ``tlf evaluate`` reads them."""
    held_out: HeldOut | None = None
    """Set where the eval images are held-out train images."""

    def __repr__(self) -> str:
        test = "" if self.test is None else f", test={self.test!r}"
        return f"Splits({self.train!r}, {self.eval!r}, {reprlib.repr(self.classes)}{test})"


@dataclass(frozen=True)
class Labelled:
    """The images of one split alone. Labels are positions in ``classes``."""

    images: Split
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What a person should know about these images: one sentence each."""
