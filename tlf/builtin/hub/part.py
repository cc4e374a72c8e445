"""One split of a dataset on the hub, and how its images are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlf.components import Split
from tlf.data.image_files import read_image
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
    groups: dict[str, list[int]]
    """Class → rows, the classes in their order."""
    several: tuple[str, ...] | None = None
    """The classes, where rows have lists of them: then the groups' names are texts of several."""

    def split(self, groups: Mapping[str, Sequence[int]], classes: Sequence[str]) -> Split:
        """The rows of ``groups``; labels are positions in ``classes``."""
        rows, labels = labelled(groups, classes)
        names = tuple(f"{self.name}[{row}]" for row in rows)
        return Split(names, labels, ReadRow(self.images, self.image, rows))


@dataclass(frozen=True)
class ReadRow:
    """Reads an image from a table. Pickled, it holds the names of the table's files."""

    images: Any
    image: str
    rows: Sequence[int]

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
