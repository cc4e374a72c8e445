"""The result of a check."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tlf.checks.findings import Findings, ImageRef
from tlf.components import Splits
from tlf.data.inspection.readable import Unreadable
from tlf.notebook import Printed


@dataclass(frozen=True)
class Checked(Printed):
    """What a check of a set of images has found. ``print`` shows it as the command line does."""

    source: str
    """The recipe or the folder that was checked."""
    backbone: str
    """What looked at the images: its architecture and its weights."""
    findings: Findings
    splits: Splits = field(repr=False)
    """The readable images."""
    unreadable: tuple[Unreadable, ...] = ()
    """The others."""
    notes: tuple[str, ...] = ()
    """What a person should know about how images were found, and which backbone looked at them: one
    sentence each."""

    def read(self, image: ImageRef) -> bytes:
        """The bytes of an image.

        Raises:
            DataError, OSError: it can no longer be read.
        """
        split = self.splits.train if image.split == "train" else self.splits.eval
        return split.read(image.index)

    def lines(self) -> Iterator[str]:
        """The summary, as ``tlf check`` prints it."""
        from tlf.checks.summary import lines

        return lines(self)
