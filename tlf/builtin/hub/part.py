"""One split of a dataset on the hub, and how its images are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tlf.components import Split
from tlf.data.image_files import read_image
from tlf.data.listing.compact import Names
from tlf.data.splits import labelled
from tlf.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Part:
    """One split: its table and the rows of each class."""

    name: str
    images: "Dataset"
    """One column, of encoded images."""
    image: str
    groups: Mapping[str, Sequence[int]]
    """Class → rows, the classes in their order."""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Column → its value in each row."""
    several: tuple[str, ...] | None = None
    """The classes, where rows have lists of them: then the groups' names are texts of several."""
    origin: str = ""
    """Which dataset it is a split of."""

    def split(self, groups: Mapping[str, Sequence[int]], classes: Sequence[str]) -> Split:
        """The rows of ``groups``; labels are positions in ``classes``."""
        rows, labels = labelled(groups, classes)
        names = Names(f"{self.name}[{row}]" for row in rows)
        read = ReadRow(self.images, self.image, rows, self.origin)
        values = {name: Names(of[row] for row in rows) for name, of in self.columns.items()}
        return Split(names, labels, read, values)


@dataclass(frozen=True)
class ReadRow:
    """Reads an image from a table. Pickled, it holds the names of the table's files."""

    images: Any
    image: str
    rows: Sequence[int]
    origin: str
    """The dataset in which the name of an image, of its split and row, is there once."""

    def __call__(self, index: int) -> bytes:
        """The bytes of one row's image, or of the file that the row names.

        Raises:
            DataError: the row is empty.
        """
        cell = self.images[self.rows[index]][self.image] or {}
        if cell.get("bytes") is not None:
            return bytes(cell["bytes"])
        if not cell.get("path"):
            raise DataError("the row holds no image")
        return read_image(cell["path"])
