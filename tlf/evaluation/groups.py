"""Which images of an evaluation belong together: as their run has stored it, or as ``data.group``
finds it.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.components import Labelled, Split
from tlf.data.listing.compact import Groups
from tlf.data.splitting.groups import found_in_names, is_pattern
from tlf.errors import DataError
from tlf.inference.tables.groups import read_groups
from tlf.recipe.files import read_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNKNOWN = (
    "It is not known which of these images belong together (data.group): they count as different "
    "ones, so intervals are too narrow where they are right or wrong together."
)
"""A caution where the recipe of a run has ``data.group``, and the groups are not known."""


def group_of(run: Path) -> str | None:
    """How the recipe of a run says which images belong together: a column, or a pattern over names;
    None where it says nothing.
    """
    group: str | None = read_table(run / "recipe.toml").get("data", {}).get("group")
    return group


def stored_groups(run: Path, names: Sequence[str]) -> "NDArray[np.integer] | None":
    """The number of the group (N,) of each image that a run has evaluated; None: it is not known.

    Raises:
        RunError: the table of the groups is damaged.
    """
    return numbers(groups_in(run, names))


def groups_in(run: Path, names: Sequence[str]) -> Sequence[str] | None:
    """The group of each image that a run has evaluated. Of a run of an earlier version, which has
    not stored it, a pattern over the names says it. None: that of an image is not known, or the
    recipe says nothing of groups.

    Raises:
        RunError: the table of the groups is damaged.
    """
    group = group_of(run)
    if group is None:
        return None
    if (stored := read_groups(run)) is not None:
        found = Groups(stored[name] for name in names if name in stored)
        return found if len(found) == len(names) else None
    if is_pattern(group):
        with suppress(DataError):
            return found_in_names(names, group)
    return None


def recorded_groups(
    runs: Sequence[Path], names: Sequence[str], find: Callable[[], Split | None]
) -> "NDArray[np.integer] | None":
    """The same of several runs that have evaluated the same images: what the first knows that knows
    it. ``find``: finds the images anew, where no run knows it.
    """
    known = [run for run in runs if group_of(run) is not None]
    for run in known:
        if (stored := stored_groups(run, names)) is not None:
            return stored
    images = find() if known else None
    return None if images is None else numbers(images.groups)


def are_unknown(run: Path | None, groups: "NDArray[np.integer] | None") -> bool:
    """Whether images belong together, as the recipe of a run says, and it is not known which."""
    return groups is None and run is not None and group_of(run) is not None


def numbers(groups: Sequence[str] | None) -> "NDArray[np.integer] | None":
    """The number of each image's group (N,); None where groups are not known."""
    import numpy as np

    if groups is None:
        return None
    found: NDArray[np.integer] = np.asarray(Groups(groups).numbers, np.int64)
    return found


def with_groups(found: Labelled, asked: str | None, inherited: str | None) -> Labelled:
    """Images with their groups, as a pattern over their names finds them.

    Parameters:
        found: the images.
        asked: ``data.group`` of the command line.
        inherited: that of the recipe of the model's run, which may not fit other images.

    Raises:
        DataError: what is asked for is no pattern, or does not match every name.
    """
    names = found.images.names
    if asked is not None:
        if not is_pattern(asked):
            raise DataError(
                f"data.group must be a pattern over names for these images, got {asked!r}; write a "
                "regular expression with a group in parentheses, such as data.group='([^/_]+)_'"
            )
        return replace(found, images=replace(found.images, groups=found_in_names(names, asked)))
    if inherited is not None and is_pattern(inherited):
        with suppress(DataError):
            groups = found_in_names(names, inherited)
            return replace(found, images=replace(found.images, groups=groups))
    return found
