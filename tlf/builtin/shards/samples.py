"""The images of an archive and their labels, in webdataset's layout or in class folders."""

import json
from array import array
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import Any

from tlf.builtin.shards.archive import Member
from tlf.builtin.shards.index import GrowingIndex, Index, Texts
from tlf.builtin.shards.label_lists import text_of_label
from tlf.data.image_files import MOST_BYTES, is_image, is_visible
from tlf.data.splits import failure, listed
from tlf.errors import DataError
from tlf.runtime.text import printable

_PIECE = 2**20
"""Bytes of an image that are hashed at a time."""
_MOST = 2**20
"""Bytes of a member that holds a label, at most."""
_LONGEST = 1000
"""Characters of a label, at most."""
_NONE = -1
"""Stands for the label of an image that has none."""
FOLDERS = ("folder", "top-folder")
"""Labels that are a folder of an image: the one that holds it, or the first of its path."""


@dataclass(frozen=True)
class Layout:
    """Which members are images, and what holds their labels."""

    image: str = "auto"
    """How the names of images end after their first dot; ``auto``: as any image's."""
    label: str = "auto"
    """``folder``, ``top-folder``, how the names of labels end after their first dot, or
    ``json:FIELD``; ``auto``: ``cls`` where there are such members, else ``folder``."""
    separator: str = ""
    """Between the names of several classes in a text; empty where a text is one name."""
    columns: tuple[str, ...] = ()
    """The columns of parquet files that are a class each; empty where ``label`` holds names."""

    def as_json(self) -> dict[str, Any]:
        """What it says, as JSON values. A way to find labels that says nothing of several classes
        is called as it always was, so that its indexes stay.
        """
        several = {"separator": self.separator, "columns": [*self.columns]}
        told = {name: value for name, value in several.items() if value}
        return {"image": self.image, "label": self.label, **told}

    @property
    def suffix(self) -> str:
        """How the names of members that hold labels end; empty where folders are labels."""
        if self.label in FOLDERS:
            return ""
        if self.label == "auto":
            return "cls"
        return "json" if self.field else self.label.lower()

    @property
    def field(self) -> str:
        """The field of a JSON member that is the label; empty where the whole text is."""
        return self.label.removeprefix("json:") if self.label.startswith("json:") else ""

    def is_image(self, name: str) -> bool:
        """Whether a member is an image by its name."""
        return is_image(name) if self.image == "auto" else parted(name)[1] == self.image.lower()

    def folder_of(self, name: str) -> str:
        """The label of an image by its folder; empty where it is in none."""
        folders = name.split("/")[:-1]
        return folders[0 if self.label == "top-folder" else -1] if folders else ""


def parted(name: str) -> tuple[str, str]:
    """The key of a member, and how its name ends after the first dot, in lower case.

    >>> parted("ants/0001.left.JPG")
    ('ants/0001', 'left.jpg')
    """
    folder, slash, base = name.rpartition("/")
    stem, _, suffix = base.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


@dataclass
class _Found:
    """What an archive holds, while it is read."""

    rows: GrowingIndex = field(default_factory=GrowingIndex)
    """The images, with their folders as labels."""
    own: "array[int]" = field(default_factory=lambda: array("i"))
    """The label that a member of its key gives an image, or ``_NONE``."""
    values: dict[str, int] = field(default_factory=dict)
    """These labels → their numbers."""
    kinds: set[bool] = field(default_factory=set)
    """Whether these labels may be several classes each."""
    doubled: "array[int]" = field(default_factory=lambda: array("q"))
    """The second image of each key that has several."""
    orphan: str = ""
    """A member with a label for which there is no image."""
    orphans: int = 0
    """How many such members there are."""


def archive_index(address: str, members: Iterable[Member], layout: Layout) -> Index:
    """The images of an archive.

    Raises:
        DataError: images lack labels, labels lack images, or a label cannot be read.
    """
    found = _Found()
    visible = (member for member in members if is_visible(member.name))
    for _, group in groupby(visible, key=lambda member: parted(member.name)[0]):
        _add(address, group, layout, found)
    by_members = bool(found.values) or layout.label not in ("auto", *FOLDERS)
    if by_members:
        found.rows.labels, found.rows.values = found.own, found.values
    _check_kinds(address, found.kinds, layout)
    several = True in found.kinds
    members_hold = f"{'several ' * several}labels are {layout.suffix} members"
    index = found.rows.index(members_hold if by_members else "labels are folders", several=several)
    none = _NONE if by_members else found.rows.values.get("", _NONE)
    without = [row for row, label in enumerate(found.rows.labels) if label == none]
    problems = _unlabelled(index.names, without, layout, by_members=by_members)
    problems += _unpaired(index.names, found) if by_members else []
    if problems:
        raise failure(address, problems)
    return index


def _check_kinds(address: str, kinds: Set[bool], layout: Layout) -> None:
    """Check that labels are lists in all members or in none, and as the layout says.

    Raises:
        DataError: they are not.
    """
    if len(kinds) > 1:
        problem = f"only some .{layout.suffix} members hold a list of classes"
        raise failure(address, [f"{problem}; write a list in each, empty where there is no class"])
    if layout.columns:
        raise failure(
            address,
            [
                "data.labels names columns of parquet files, and this is an archive; write "
                'data.label = "json:FIELD", a list of classes, or data.label_separator'
            ],
        )
    if layout.separator and not kinds:
        problem = "data.label_separator divides the text of members, and labels are folders here"
        raise failure(address, [f'{problem}; write data.label = "txt", for example'])


def _add(address: str, group: Iterable[Member], layout: Layout, found: _Found) -> None:
    """The images of one key, whose members follow each other."""
    first, label, name = len(found.own), _NONE, ""
    for member in group:
        if layout.is_image(member.name):
            folder = layout.folder_of(member.name)
            found.rows.add(member.name, member.place, member.size, _hashed(member), folder)
            found.own.append(_NONE)
        elif layout.suffix and parted(member.name)[1] == layout.suffix:
            if name:
                raise DataError(f"{address}: {printable(name)!r} is there twice; keep one of them")
            name = member.name
            text, several = _label(address, member, layout)
            found.kinds.add(several)
            label = found.values.setdefault(text, len(found.values))
    count = len(found.own) - first
    found.own[first:] = array("i", [label] * count)
    if count > 1:
        found.doubled.append(first + 1)
    if name and not count:
        found.orphans += 1
        found.orphan = found.orphan or name


def _hashed(member: Member) -> bytes:
    """The SHA-256 of an image.

    Raises:
        DataError: it is too large, or its bytes end early.
    """
    if member.size > MOST_BYTES:
        raise DataError(
            f"{printable(member.name)}: an image must have at most {MOST_BYTES:,} bytes, got "
            f"{member.size:,}"
        )
    digest, file, missing = sha256(), member.open(), member.size
    while missing:
        piece = file.read(min(_PIECE, missing))
        if not piece:
            raise DataError(f"{printable(member.name)} ends early; write its archive again")
        digest.update(piece)
        missing -= len(piece)
    return digest.digest()


def _label(address: str, member: Member, layout: Layout) -> tuple[str, bool]:
    """The label in a member: its text, or a field of its JSON; and whether it may be several
    classes.

    Raises:
        DataError: it holds none.
    """
    where, wanted = f"{address}: {printable(member.name)}", layout.field
    if member.size > _MOST:
        raise DataError(f"{where} must hold a label, got {member.size:,} bytes; set data.label")
    try:
        text = member.open().read(member.size).decode()
        label = _field(json.loads(text), wanted) if wanted else text.strip()
    except (ValueError, RecursionError) as error:
        kind = "JSON" if wanted else "text in UTF-8"
        raise DataError(f"{where} must be {kind} ({error}); set data.label") from error
    what = f"the field {wanted!r} of {where}" if wanted else where
    try:
        found, several = text_of_label(label, layout.separator)
    except ValueError as error:
        raise DataError(f"{what} {error}") from error
    if len(found) > _LONGEST and not several:
        raise DataError(f"{where} must hold a label of at most {_LONGEST} characters")
    return found, several


def _field(content: Any, wanted: str) -> Any:  # noqa: ANN401 - JSON
    """A field of JSON, or of a table inside of it: ``a.b``; None where there is none."""
    for name in wanted.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _unlabelled(
    names: Texts, without: Sequence[int], layout: Layout, *, by_members: bool
) -> list[str]:
    """A sentence about images without a label, if there are any."""
    if not without:
        return []
    images = f"{_counted(len(without), 'image')}, such as {printable(names[without[0]])!r},"
    if by_members:
        return [
            f"{images} without a .{layout.suffix} member of the same key; write one, right before "
            "or behind the image (tar --sort=name), or set data.label"
        ]
    alone = " and without a .cls member" if layout.label == "auto" else ""
    return [f"{images} in no class folder{alone}; set data.label to what holds the labels"]


def _unpaired(names: Texts, found: _Found) -> list[str]:
    """A sentence about labels without an image, and one about several images with one label."""
    problems = []
    if found.orphans:
        count = _counted(found.orphans, "label")
        problems.append(
            f"{count}, such as {printable(found.orphan)!r}, without an image of the same key right "
            "before or behind it; add the images (tar --sort=name), or set data.image"
        )
    if found.doubled:
        two = listed(printable(names[row]) for row in (found.doubled[0] - 1, found.doubled[0]))
        problems.append(
            f"{_counted(len(found.doubled), 'key')} with several images, such as {two}; keep one, "
            "or set data.image to how the names of the right ones end"
        )
    return problems


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count != 1)
