"""The classes that the labels of shards stand for."""

import re
from collections.abc import Iterable, Mapping, Sequence

from tlf.data.label_sets.as_text import names_of, text_of
from tlf.data.splits import listed
from tlf.errors import DataError, nearest
from tlf.runtime.regular_file import read_regular

_MOST = 2**24
"""Bytes of a file of class names, at most."""


def read_names(file: str) -> tuple[str, ...]:
    """The class names in a file, one in each line.

    Raises:
        DataError: it cannot be read, or a line is empty or there twice.
    """
    try:
        text = read_regular(file, _MOST).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}; set data.classes") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} must be text in UTF-8; set data.classes") from error
    names = [line.strip() for line in text.splitlines()]
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name or first.setdefault(name, number) != number:
            what = f"{name!r} again" if name else "an empty line"
            raise DataError(
                f"{file} must have one name in each line, got {what} in line {number}; correct it"
            )
    return tuple(names)


def classes_of(where: str, values: Iterable[str], names: Sequence[str]) -> dict[str, str]:
    """Label as shards have it → its class.

    Parameters:
        where: the shards.
        values: the labels.
        names: the name of each number, from 0 on; empty where labels are the classes.

    Raises:
        DataError: a number has no name, or a name is not among them.
    """
    if not names:
        return {value: value for value in values}
    known, found = {*names}, {}
    for value in values:
        number = int(value) if _is_number(value) else -1
        if value in known:
            found[value] = value
        elif 0 <= number < len(names):
            found[value] = names[number]
        else:
            what = f"numbers from 0 to {len(names) - 1}" if _is_number(value) else "names"
            advice = "add a line" if _is_number(value) else nearest(value, names)
            raise DataError(
                f"{where}: labels must be {what} of data.classes, got {value!r}; {advice}"
            )
    return found


def several_classes_of(where: str, texts: Iterable[str], names: Sequence[str]) -> dict[str, str]:
    """The same for texts of several labels each: text as shards have it → text of its classes."""
    each = {text: names_of(text) for text in texts}
    known = classes_of(where, {one for labels in each.values() for one in labels}, names)
    return {text: text_of(known[one] for one in labels) for text, labels in each.items()}


def check_alike(values: Mapping[str, Sequence[str]]) -> None:
    """Check that the labels of all splits are numbers, or those of none. ``values``: split → them.

    Raises:
        DataError: one split has numbers, the other names.
    """
    kinds = {split: all(map(_is_number, each)) for split, each in values.items() if each}
    if len({*kinds.values()}) > 1:
        shown = [f"{listed(sorted(each), 3)} in {split}" for split, each in values.items()]
        raise DataError(
            f"labels must be numbers in all splits, or names in all, got {' and '.join(shown)}; "
            "set data.classes to a file with the name of each number"
        )


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", value) is not None
