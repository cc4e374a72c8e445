"""Names that any terminal and any file can hold."""

from collections.abc import Sequence
from dataclasses import replace

from tlf.components import Splits
from tlf.data.listing.compact import Names
from tlf.data.splits import each_split
from tlf.runtime.text import printable


def with_printable_names(splits: Splits) -> Splits:
    """The same images under names that any terminal and any file can hold.

    Every table, error and file of a run takes its names from here. Images are read as before.
    """
    named = each_split(splits, lambda split: replace(split, names=printable_names(split.names)))
    return replace(named, classes=tuple(map(printable, splits.classes)))


def printable_names(names: Sequence[str]) -> Sequence[str]:
    """Names that any terminal and any file can hold; the same ones where all are so."""
    if isinstance(names, Names) and all(printable(name) == name for name in names):
        return names
    return Names(map(printable, names))
