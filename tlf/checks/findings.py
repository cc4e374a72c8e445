"""What a check of a set of images has found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlf.tasks.multi_label import SEPARATOR

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
    equal: tuple[int, ...]
    """For each a number: those of one number have the same bytes, all others are near-duplicates.
    """
    similarity: float
    """The least similarity between neighbours of the group; 1 where their bytes are equal."""

    @property
    def exact(self) -> bool:
        """Whether the bytes of all are equal."""
        return len(set(self.equal)) == 1

    @property
    def copies(self) -> tuple[tuple[ImageRef, ...], ...]:
        """Those that have the same bytes as others, each such set."""
        sets: dict[int, list[ImageRef]] = {}
        for image, number in zip(self.images, self.equal, strict=True):
            sets.setdefault(number, []).append(image)
        return tuple(tuple(each) for each in sets.values() if len(each) > 1)

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

    def doubted(self, suspect: LabelSuspect) -> tuple[str, str] | None:
        """Where an image may have any number of labels: the class that is doubted, and what it
        seems to be, ``missing`` or ``wrong``. None where each image has one label.
        """
        label, proposed = suspect.image.label, suspect.proposed
        if self._is_class(label) and self._is_class(proposed):  # sets differ by one class
            return None
        has, looks = ({*filter(None, one.split(SEPARATOR))} for one in (label, proposed))
        found = [*((name, "wrong") for name in has - looks)]
        found += [(name, "missing") for name in looks - has]
        return found[0] if len(found) == 1 else None

    def doubt(self, suspect: LabelSuspect) -> str:
        """What is wrong with a label, it seems.

        >>> found = Findings({}, {"train": {"ant": 9, "bee": 7}})
        >>> found.doubt(LabelSuspect(ImageRef("train", 0, "a.jpg", "ant"), "bee", 0.1, 0.9))
        'looks like bee'
        >>> found.doubt(LabelSuspect(ImageRef("train", 0, "a.jpg", "ant"), "ant; bee", 0.1, 0.9))
        'bee seems to be missing'
        """
        if doubted := self.doubted(suspect):
            return f"{doubted[0]} seems to be {doubted[1]}"
        return f"looks like {suspect.proposed or NONE}"

    def _is_class(self, name: str) -> bool:
        return any(name in counts for counts in self.class_counts.values())


def read_findings(content: Mapping[str, Any]) -> Findings:
    """Findings of what ``dataclasses.asdict`` gives of them, after it was JSON."""
    return Findings(
        images=content["images"],
        class_counts=content["class_counts"],
        unreadable=tuple((split, name, why) for split, name, why in content["unreadable"]),
        duplicates=tuple(
            Duplicates(
                **group | {"images": _images(group["images"]), "equal": tuple(group["equal"])}
            )
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
