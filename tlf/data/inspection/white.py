"""What files hold that 8 bits cannot show: which value of 16-bit images is white, and what is said
about it.

Cameras and scanners store 12 bits in files of 16. If 65,535 were white, such images would be nearly
black. So a run says which range its images use, and a recipe may say which value is white.
"""

import json
from collections.abc import Generator, Mapping
from typing import Literal, NamedTuple

from accelerate import Accelerator

from tlf.components import Split, Splits
from tlf.data.decoding.beyond import Beyond, beyond, largest_value
from tlf.data.decoding.values import is_plain, largest_deep
from tlf.data.inspection.answers import in_order
from tlf.data.inspection.for_each_image import for_each_image
from tlf.data.inspection.known_files import KnownFiles
from tlf.data.inspection.known_rows import STAMP
from tlf.data.listing.compact import Numbers
from tlf.data.splits import listed
from tlf.errors import DataError, StorageError
from tlf.events import Notice, Prepared
from tlf.preprocessing import WHITE, Preprocessing
from tlf.runtime.strict_json import dumps

_EIGHT_BITS = (".jpg", ".jpeg", ".jpe", ".jfif")
"""How the names of files end that are not looked at: a JPEG holds 8 bits and one image."""


class Seen(NamedTuple):
    """What was seen in a file."""

    beyond: Beyond
    largest: int = 0
    """The largest of its values, if it was looked for."""


def find_white(
    splits: Splits,
    white: int | Literal["auto"] | None,
    accelerator: Accelerator,
    how: Preprocessing,
    known: KnownFiles | None = None,
) -> Generator[Prepared | Notice, None, tuple[int, list[str]]]:
    """The value of 16-bit images that is white, and notes about what 8 bits cannot show.

    Parameters:
        splits: the images. Those that cannot be read are reported elsewhere.
        white: what the recipe says. ``auto``: the largest value of the train split. None: 65,535.
        accelerator: the processes that share the work.
        how: how they are prepared.
        known: what earlier runs have seen in these files, which are not read again.
    """
    train = yield from _seen(splits.train, "train", accelerator, how, known)
    evaluated = yield from _seen(splits.eval, "eval", accelerator, how, known)
    if known is not None:
        yield from known.store()
    grey = [seen.largest for seen in train.values() if seen.beyond.depth == "grey"]
    used = white if isinstance(white, int) else WHITE
    if white == "auto":
        used = max(grey, default=WHITE) or WHITE
    note = _grey_note(len(grey), max(grey), used, white) if grey else ""
    notes = [*([note] if note else []), *_colour_notes(train)]
    for name, split, every in (("train", splits.train, train), ("eval", splits.eval, evaluated)):
        notes += _page_notes(name, split, every)
    return used, notes


def _seen(
    split: Split, name: str, accelerator: Accelerator, how: Preprocessing, known: KnownFiles | None
) -> Generator[Prepared, None, dict[int, Seen]]:
    """Index → what was seen, for the images that hold more than 8 bits can show."""
    every = enumerate(split.names)
    indices = Numbers(i for i, n in every if not n.lower().endswith(_EIGHT_BITS))

    measured = name == "train" or known is not None

    def pack(data: bytes) -> bytes:
        return _packed(_see(data, how, measured))

    def look(number: int) -> tuple[bytes, Seen | None]:
        try:
            if known is None:
                row, seen = b"", _see(split.read(indices[number]), how, measured)
            else:
                row = known.answer(split.read, indices[number], pack)
                seen = _unpacked(row[STAMP:-1])
        except StorageError:
            raise
        except (DataError, OSError):
            return b"", None
        return row, seen if any(seen.beyond) else None

    count, width = len(indices), 0 if known is None else known.answered
    title = f"looking at {name} images"
    machines = yield from for_each_image(accelerator, count, title, look, width)
    _, found = in_order(machines[0].answers.values(), count, width)
    if known is not None:
        known.keep(machines, accelerator, count)
    return {indices[n]: seen for n, seen in found.items()}


def _see(data: bytes, how: Preprocessing, measured: bool) -> Seen:
    found = beyond(data)
    if is_plain(how):
        return Seen(found, largest_value(data) if found.depth and measured else 0)
    deep = largest_deep(data, how) if measured else None
    kept: Literal["", "grey"] = "" if deep is None else "grey"
    return Seen(Beyond(kept, found.pages), deep or 0)


def _packed(seen: Seen) -> bytes:
    return dumps([*seen.beyond, seen.largest]).encode()


def _unpacked(text: bytes) -> Seen:
    *found, largest = json.loads(text.rstrip(b"\0"))
    return Seen(Beyond(*found), largest)


def _grey_note(count: int, largest: int, used: int, white: object) -> str:
    """One sentence about the range that 16-bit grey images use; none where a number of the recipe
    fits it.
    """
    begin = f"{_hold(count, 'train')} 16-bit values, 0 to {largest:,}; {used:,} is white"
    if white == "auto" or not largest:  # all black
        return begin
    effect = ""
    if largest < used // 4:
        effect = ", so they are nearly black"
    elif largest > used:
        effect = ", and so is all that is brighter"
    elif white is not None:
        return ""
    return f'{begin}{effect}: write data.white = {largest}, or "auto"'


def _colour_notes(seen: Mapping[int, Seen]) -> list[str]:
    colour = [one.largest for one in seen.values() if one.beyond.depth == "colour"]
    if not colour:
        return []
    dark = 0 < max(colour) < 64
    advice = "; they are nearly black: store them with 8 bits" if dark else ""
    return [
        f"{_hold(len(colour), 'train')} 16 bits per colour, of which the upper 8 are used{advice}"
    ]


def _page_notes(name: str, split: Split, seen: Mapping[int, Seen]) -> list[str]:
    names = [split.names[index] for index, one in seen.items() if one.beyond.pages]
    if not names:
        return []
    return [
        f"{_hold(len(names), name)} several pages or frames, of which the first is used: "
        f"{listed(names, 3)}"
    ]


def _hold(count: int, split_name: str) -> str:
    """The beginning of a note.

    >>> _hold(1, "train"), _hold(2, "eval")
    ('1 image of the train split holds', '2 images of the eval split hold')
    """
    plural, singular = ("s", "") if count > 1 else ("", "s")
    return f"{count} image{plural} of the {split_name} split hold{singular}"
