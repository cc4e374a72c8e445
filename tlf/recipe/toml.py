"""Read TOML within bounds: no text of a recipe or an override takes long or much memory, or holds
numbers that no machine holds.
"""

import re
import tomllib
from typing import Any

from tlf.recipe.values import Problem, join, shown

LONGEST = 100_000
"""Characters of a recipe at most. Recipes have a few thousand."""
LONGEST_KEY = 200
LONGEST_STRING = 10_000
DEEPEST = 20
"""Tables and lists inside each other at most."""
LARGEST = 3e38
"""The largest number that fits into float32, which is what torch computes in."""

_TOO_DEEP = f"must not be nested deeper than {DEEPEST} levels"


def parse(text: str) -> dict[str, Any]:
    """The table of a text.

    Raises:
        tomllib.TOMLDecodeError: it is not TOML.
        ValueError: it is TOML beyond the bounds.
    """
    if len(text) > LONGEST:
        raise ValueError(f"must have at most {LONGEST:,} characters, got {len(text):,}")
    for number, line in enumerate(text.split("\n"), start=1):
        # The time that a dotted key takes grows with the square of its parts.
        if line.count(".") > DEEPEST and _is_too_deep(line):
            raise ValueError(f"line {number}: a key {_TOO_DEEP}")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as error:  # Python reads no number of more than 4300 digits
        raise ValueError("a whole number must have at most 19 digits") from error


def faults(table: object) -> list[Problem]:
    """The values of a table that are beyond the bounds."""
    found: list[Problem] = []
    waiting: list[tuple[str, int, object]] = [("", 0, table)]
    while waiting:
        path, depth, value = waiting.pop()
        if isinstance(value, dict | list):
            if depth > DEEPEST:
                found.append(Problem(path, _TOO_DEEP))
                continue
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, inner in reversed([*items]):
                if isinstance(key, str) and (fault := _text_fault(key, LONGEST_KEY)):
                    found.append(Problem(path, f"a key {fault}"))
                else:
                    waiting.append((join(path, key), depth + 1, inner))
        elif fault := _fault(value):
            found.append(Problem(path, fault))
    return found


def _fault(value: object) -> str | None:
    if isinstance(value, str):
        return _text_fault(value, LONGEST_STRING)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return f"must be a whole number from {-(2**63)} to {2**63 - 1}"
    if isinstance(value, float) and LARGEST < abs(value) < float("inf"):
        return f"must be a number from -{LARGEST:g} to {LARGEST:g}, got {shown(value)}"
    return None


def _text_fault(text: str, most: int) -> str | None:
    if len(text) > most:
        return f"must have at most {most:,} characters, got {len(text):,}"
    if "\0" in text:
        return "must not contain the character NUL"
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"must be UTF-8 text, got {text!r:.200}; rename what it names"
    return None


def _is_too_deep(line: str) -> bool:
    """Whether a part of a line looks like a dotted key of too many parts."""
    return any(part.count(".") > DEEPEST for part in re.split(r"[,=\"']", line))
