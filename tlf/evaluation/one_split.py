"""The images of one split of a dataset, which may be neither train nor eval of a recipe."""

from collections.abc import Callable
from dataclasses import replace

from tlf.catalogue import Offer
from tlf.components import Dataset, Labelled
from tlf.data.fixes import labelled_with_fixes
from tlf.data.listing.printable_names import printable_names
from tlf.data.splits import ReadFile
from tlf.errors import DataError
from tlf.evaluation.groups import with_groups
from tlf.plugins.attribution import AttributedRead, blame
from tlf.plugins.loading import Plugins
from tlf.plugins.returned import checked_labelled, checked_splits
from tlf.recipe.schema import Data
from tlf.runtime.text import printable

OWN_SPLITS = ("train", "eval")
"""The splits that every run has."""


def one_split(data: Data, plugins: Plugins, split: str | None, group: str | None) -> Labelled:
    """The images of one split of a dataset, under names that any terminal can show.

    Parameters:
        data: the dataset, and the fixes of its images.
        plugins: those that offer datasets.
        split: its name; None: as the dataset chooses, which takes its eval split if it has one.
        group: how a run finds the images that belong together.

    Raises:
        DataError: there is no such split, or a row of the fixes does not fit its image.
        PluginError: the dataset broke.
    """
    offer = plugins.catalogue.offer(data.dataset)
    found = with_groups(_found(data.dataset, offer, split), data.group, group)
    read = found.images.read
    if offer.plugin.name != "tlf" and not isinstance(read, ReadFile):
        attributed = AttributedRead(read, offer, repr(data.dataset))
        found = replace(found, images=replace(found.images, read=attributed))
    rows_of = None if _say_where(read) else split or "eval"
    return labelled_with_fixes(_printable(found), data.fixes or (), rows_of)


def _say_where(read: Callable[[int], bytes]) -> bool:
    """Whether names say where in a dataset an image is, as paths do, or splits with rows. Names in
    shards are those of other images in another split.
    """
    return isinstance(read, ReadFile) or hasattr(read, "origin")


def _found(dataset: Dataset, offer: Offer, split: str | None) -> Labelled:
    """What a dataset says about one of its splits."""
    if hasattr(dataset, "labelled"):
        with blame(offer, "labelled"):
            return checked_labelled(dataset.labelled(split))
    with blame(offer, "build"):
        splits = checked_splits(dataset.build())
    if split not in (None, *OWN_SPLITS):
        known = " and ".join(OWN_SPLITS)
        raise DataError(
            f"split must be {known} for a dataset of kind {offer.kind!r}, got {split!r}; write one "
            "of these"
        )
    images = splits.train if split == "train" else splits.eval
    return Labelled(images, splits.classes)


def _printable(found: Labelled) -> Labelled:
    images = replace(found.images, names=printable_names(found.images.names))
    return replace(found, images=images, classes=tuple(map(printable, found.classes)))
