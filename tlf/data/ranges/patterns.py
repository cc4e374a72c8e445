"""Patterns that name several files: braces list them, and wildcards look for them."""

import glob
import os
import re
from urllib.parse import urlsplit

from tlf.data.ranges.addresses import scheme, shown
from tlf.errors import DataError

_BRACES = re.compile(r"\{([^{}]*)\}")
_NUMBERS = re.compile(r"(\d+)\.\.(\d+)")

MOST_FILES = 100_000
"""Files that the braces of a pattern may name."""


def find(pattern: str) -> tuple[str, ...]:
    """The addresses that a pattern names, sorted; each once.

    Parameters:
        pattern: an address. ``{000..010}`` counts, ``{a,b}`` lists; ``*``, ``?``, ``[…]`` and
            ``**`` look for files that exist.

    Raises:
        DataError: it names none, one that does not exist, or a folder.
    """
    if not scheme(pattern) and os.path.isdir(pattern):
        example = os.path.join(pattern, "*.tar")
        raise DataError(f"{pattern} must be a file or a pattern, got a folder; write {example}")
    if not scheme(pattern) and os.path.lexists(pattern):
        return (pattern,)  # its name may hold what means something in a pattern
    return tuple(sorted({address for each in expanded(pattern) for address in _matches(each)}))


def expanded(pattern: str) -> list[str]:
    """A pattern with each of its braces replaced by what they name.

    Raises:
        DataError: they name too many files, or count backwards.

    >>> expanded("train-{08..10}.tar")
    ['train-08.tar', 'train-09.tar', 'train-10.tar']
    >>> expanded("{a,b}/{0..1}.tar")
    ['a/0.tar', 'a/1.tar', 'b/0.tar', 'b/1.tar']
    """
    found = _BRACES.search(pattern)
    if found is None:
        return [pattern]
    before, after = pattern[: found.start()], expanded(pattern[found.end() :])
    choices = _choices(pattern, found[1])
    if len(choices) * len(after) > MOST_FILES:
        raise DataError(
            f"{shown(pattern)} must name at most {MOST_FILES:,} files; write fewer, larger ones"
        )
    return [before + choice + rest for choice in choices for rest in after]


def _choices(pattern: str, inside: str) -> list[str]:
    """What a pair of braces names."""
    counted = _NUMBERS.fullmatch(inside)
    if counted is None:
        return inside.split(",")
    first, last = int(counted[1]), int(counted[2])
    if last < first:
        raise DataError(
            f"the braces of {shown(pattern)} must count upwards, got {{{inside}}}; "
            f"write {{{counted[2]}..{counted[1]}}}"
        )
    if last - first >= MOST_FILES:
        raise DataError(
            f"{shown(pattern)} must name at most {MOST_FILES:,} files; write fewer, larger ones"
        )
    return [str(number).zfill(len(counted[1])) for number in range(first, last + 1)]


def _matches(address: str) -> list[str]:
    """What an address without braces names."""
    kind = scheme(address)
    if kind in ("http", "https"):
        if glob.has_magic(urlsplit(address).path):
            raise DataError(
                f"a web server lists no files, so {shown(address)} must have no *, ? or [; "
                "count them, as in train-{000..010}.tar"
            )
        return [address]
    if kind:
        if not glob.has_magic(address):
            return [address]
        from tlf.data.ranges.filesystems import matches

        found = matches(address)
    else:
        found = [address] if os.path.lexists(address) else glob.glob(address, recursive=True)
    if not found:
        advice = "write a pattern that names some" if glob.has_magic(address) else "write its path"
        raise DataError(f"there is no file {shown(address)}; {advice}")
    return found
