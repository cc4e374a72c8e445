"""The groups of images that may not be in two splits: by a column of the dataset, or by a pattern
over the names of images.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from tlf.data.listing.compact import Groups
from tlf.data.splits import listed
from tlf.errors import DataError

_SHOWN = 3
"""So many images or groups are named in an error."""


def check_keys(folds: int | None, fold: int | None, group: str | None) -> None:
    """Check that the keys of ``[data]`` that divide images fit together.

    Raises:
        ValueError: they do not.
    """
    if folds is not None and fold is None:
        raise ValueError(
            f"fold must say which of the {folds} folds is the eval split; write fold = 1, or "
            f"tlf compare --folds {folds} for all of them"
        )
    if fold is not None and folds is None:
        raise ValueError(f"folds must be given with fold, got fold = {fold} alone; write folds = 5")
    if folds is not None and fold is not None and fold > folds:
        raise ValueError(f"fold must be from 1 to folds, got fold = {fold} and folds = {folds}")
    if group is not None and is_pattern(group):
        _group_of(_compiled(group))


def is_pattern(group: str) -> bool:
    """Whether ``data.group`` is a pattern over names, and not the name of a column: a pattern has a
    group in parentheses.

    >>> is_pattern("patient"), is_pattern("([0-9]+)_")
    (False, True)
    """
    return "(" in group


def column_advice(group: str) -> str:
    """What to write where there is no such column: the name may be meant as a pattern.

    >>> column_advice("person")
    'set data.group'
    >>> column_advice("^P[0-9]+")
    "set data.group; a pattern over names needs a group in parentheses, such as '([^/_]+)_'"
    """
    if not re.search(r"[\\^$*+?|\[]", group):
        return "set data.group"
    return "set data.group; a pattern over names needs a group in parentheses, such as '([^/_]+)_'"


def no_names(kind: str, test: str | None, group: str | None) -> str:
    """What is wrong where a dataset knows neither other splits nor columns by name."""
    if test is not None:
        return (
            f"data.test must be a fraction for a dataset of kind {kind!r}, which knows no other "
            f"split by name, got {test!r}; write data.test = 0.2, for example"
        )
    return (
        f"data.group must be a pattern for a dataset of kind {kind!r}, which knows no columns, got "
        f"{group!r}; write a regular expression that finds the group in the name of an image, in "
        "parentheses, such as data.group = '([^/_]+)_'"
    )


def found_in_names(names: Sequence[str], pattern: str) -> Groups:
    """The group of each image, as a pattern finds it in the image's name.

    >>> found_in_names(["a/p1_1.jpg", "b/p1_2.jpg", "b/p2_1.jpg"], "(p[0-9]+)_")
    Groups('p1', 'p1', 'p2')

    Raises:
        DataError: it does not match every name.
    """
    compiled = _compiled(pattern)
    group = _group_of(compiled)
    matches = (compiled.search(name) for name in names)
    found = Groups("" if match is None else match[group] or "" for match in matches)
    if wrong := [name for name, value in zip(names, found, strict=True) if not value]:
        raise DataError(
            f"data.group must match the name of every image, got {pattern!r}, which finds nothing "
            f"in {len(wrong):,} of {len(names):,}: {listed(wrong, _SHOWN)}; write a pattern that "
            "finds a group in each: one such as '/([0-9]+|[^/]+$)' makes a group of its own of an "
            "image without a number"
        )
    return found


def found_in_column(names: Sequence[str], values: Sequence[str], column: str) -> Groups:
    """The group of each image, as a column has it. Blanks around it do not count.

    Raises:
        DataError: an image has none.
    """
    found = Groups(value.strip() for value in values)
    if wrong := [name for name, value in zip(names, found, strict=True) if not value]:
        raise DataError(
            f"data.group must be a column with a value for every image, got {column!r}, which is "
            f"empty for {len(wrong):,} of {len(names):,}: {listed(wrong, _SHOWN)}; fill these "
            "cells, a value of its own where an image belongs to no other"
        )
    return found


def check_apart(groups: Mapping[str, Sequence[str]]) -> None:
    """Check that no group is in two splits. ``groups``: split → the group of each of its images.

    Raises:
        DataError: one is.
    """
    counts = {split: Counter(found) for split, found in groups.items()}
    every = dict.fromkeys(group for found in counts.values() for group in found)
    shared = [group for group in every if sum(group in found for found in counts.values()) > 1]
    if not shared:
        return
    first = shared[0]
    amounts = {split: number[first] for split, number in counts.items() if first in number}
    (split, amount), *others = amounts.items()
    one = "" if amount == 1 else "s"
    where = [f"{amount:,} image{one} in {split}", *(f"{n:,} in {name}" for name, n in others)]
    advice = "move the images of each group into one split"
    if first not in counts.get("test", ()):
        advice += ", or write data.folds = 5 and data.fold = 1 to deal train and eval anew"
    raise DataError(
        f"data.group: a group must be in one split, got {len(shared):,} of {len(every):,} groups "
        f"in two: {listed(shared, _SHOWN)}; {first!r} has {' and '.join(where)}; {advice}"
    )


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"group must be a column or a regular expression, got {pattern!r}: {error}"
        ) from error


def _group_of(pattern: re.Pattern[str]) -> int | str:
    """The group of a regular expression that finds the group of images: the only one, or the only
    one with a name.

    Raises:
        ValueError: which one is not clear.
    """
    if pattern.groups == 1:
        return 1
    if len(named := [*pattern.groupindex]) == 1:
        return named[0]
    raise ValueError(
        f"group must have one group in parentheses, or one with a name, got {pattern.pattern!r} "
        f"with {pattern.groups} of them; write (?:…) for the others, or (?P<group>…) for this one"
    )
