"""The columns of a table that a recipe names, or that are found by their type. For authors of
datasets.
"""

from collections.abc import Sequence

from tlf.data.splits import failure, listed
from tlf.errors import nearest


def chosen_column(
    where: str, option: str, wanted: str, found: Sequence[str], known: Sequence[str]
) -> str:
    """The column that a recipe names, or the only one found.

    Parameters:
        where: what messages call the table.
        option: the option that names the column.
        wanted: its value; ``auto``: the one that is found.
        found: the columns that have the right type.
        known: all columns.

    Raises:
        DataError: there is none, or there are several.
    """
    if wanted != "auto":
        if wanted in known:
            return wanted
        problem = f"there is no column {wanted!r}; {nearest(wanted, known)}"
        raise failure(where, [f"{problem}; set data.{option}"])
    if len(found) == 1:
        return found[0]
    columns = listed(found) if found else f"none of {listed(known)}"
    raise failure(where, [f"which column is the {option}? Found {columns}; set data.{option}"])
