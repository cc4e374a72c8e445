"""What a check of a set of images has found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "no label"
"""What an image looks like, or has, that may have any number of labels."""


@dataclass(frozen=True)
class ImageRef:
    """An image of a job."""

    split: str
    """``train`` or ``eval``."""
    index: int
    """Its position in the split."""
    name: str
    label: str
    """The name of its class, or the names of its classes; empty where it has none."""


@dataclass(frozen=True)
class Duplicates:
    """Images that show the same."""

    images: tuple[ImageRef, ...]
    exact: bool
    """Whether their bytes are equal; otherwise they are near-duplicates."""
    similarity: float
    """The least similarity between neighbours of the group; 1 where their bytes are equal."""

    @property
    def across_splits(self) -> bool:
        """Whether train and eval share it."""
        return len({image.split for image in self.images}) > 1

    @property
    def across_classes(self) -> bool:
        """Whether its images have different labels."""
        return len({image.label for image in self.images}) > 1


@dataclass(frozen=True)
class LabelSuspect:
    """An image whose label looks wrong."""

    image: ImageRef
    proposed: str
    """The class that it looks like, or the classes; empty: none."""
    own_probability: float
    """Out-of-fold probability of its own label."""
    proposed_probability: float
    neighbours: tuple[ImageRef, ...] = ()
    """The images that look most like it."""


@dataclass(frozen=True)
class Inseparable:
    """Two classes that can hardly be told apart."""

    classes: tuple[str, str]
    error: float
    """The out-of-fold rate at which their images are taken for each other."""
    images: int


@dataclass(frozen=True)
class OddSize:
    """An image whose size is unlike that of the others."""

    image: ImageRef
    width: int
    height: int
    why: str


@dataclass(frozen=True)
class Findings:
    """What a check of a set of images has found."""

    images: dict[str, int]
    """Split → its number of readable images."""
    class_counts: dict[str, dict[str, int]]
    """Split → class → images."""
    unreadable: tuple[tuple[str, str, str], ...] = ()
    """Split, name and reason of each image that cannot be read."""
    duplicates: tuple[Duplicates, ...] = ()
    suspects: tuple[LabelSuspect, ...] = ()
    """The most suspicious first."""
    inseparable: tuple[Inseparable, ...] = ()
    odd_sizes: tuple[OddSize, ...] = ()
    notes: tuple[str, ...] = ()
    """What was not looked for, and why: one sentence each."""

    @property
    def leaks(self) -> tuple[Duplicates, ...]:
        """Groups of images that train and eval share."""
        return tuple(group for group in self.duplicates if group.across_splits)


def read_findings(content: Mapping[str, Any]) -> Findings:
    """Findings of what ``dataclasses.asdict`` gives of them, after it was JSON."""
    return Findings(
        images=content["images"],
        class_counts=content["class_counts"],
        unreadable=tuple((split, name, why) for split, name, why in content["unreadable"]),
        duplicates=tuple(
            Duplicates(**group | {"images": _images(group["images"])})
            for group in content["duplicates"]
        ),
        suspects=tuple(
            LabelSuspect(
                **one
                | {"image": ImageRef(**one["image"]), "neighbours": _images(one["neighbours"])}
            )
            for one in content["suspects"]
        ),
        inseparable=tuple(
            Inseparable(**pair | {"classes": tuple(pair["classes"])})
            for pair in content["inseparable"]
        ),
        odd_sizes=tuple(
            OddSize(**odd | {"image": ImageRef(**odd["image"])}) for odd in content["odd_sizes"]
        ),
        notes=(*content["notes"],),
    )


def _images(content: Sequence[Mapping[str, Any]]) -> tuple[ImageRef, ...]:
    return tuple(ImageRef(**image) for image in content)
