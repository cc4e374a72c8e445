"""The columns of a table that hold the images and the classes, and the rows of each class."""

from typing import TYPE_CHECKING, Any

from tlf.builtin.hub.label_lists import holds_lists
from tlf.data.splits import failure
from tlf.data.splitting.groups import column_advice
from tlf.errors import nearest

if TYPE_CHECKING:
    from datasets import Dataset


def image_columns(table: "Dataset") -> list[str]:
    """Columns that may hold images: those of type Image, else those of bytes."""
    import datasets

    features = table.features
    typed = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    return typed or [name for name, kind in features.items() if _holds_bytes(kind)]


def _holds_bytes(kind: Any) -> bool:  # noqa: ANN401 - a feature, or a dict of them
    kind = kind.get("bytes") if isinstance(kind, dict) else kind
    return getattr(kind, "dtype", None) in ("binary", "large_binary")


def label_columns(table: "Dataset") -> list[str]:
    """Columns that may hold classes: those of type ClassLabel or of lists of it, else ``label``,
    else ``labels``.
    """
    import datasets

    features = table.features
    own = {name: kind.feature if holds_lists(kind) else kind for name, kind in features.items()}
    typed = [name for name, kind in own.items() if isinstance(kind, datasets.ClassLabel)]
    return typed or [name for name in ("label", "labels") if name in features][:1]


def rows_by_class(where: str, table: "Dataset", label: str) -> dict[str, list[int]]:
    """Class → rows. Named classes keep the dataset's order; numbers and other names are sorted.

    Raises:
        DataError: the column holds no classes, or rows have no label.
    """
    import datasets

    kind = table.features[label]
    values: list[Any] = table[label][:]
    named = isinstance(kind, datasets.ClassLabel)
    if not named and not all(isinstance(value, str | int | None) for value in values):
        problem = f"the column {label!r} must hold names or whole numbers, got {kind}"
        raise failure(where, [f"{problem}; set data.label"])
    groups: dict[Any, list[int]] = {}
    for row, value in enumerate(values):
        groups.setdefault(value, []).append(row)
    unknown = sum(len(groups.get(value, ())) for value in ((None, -1) if named else (None,)))
    if unknown:
        raise failure(where, [f"{unknown} rows have no label; name another split"])
    return {kind.int2str(v) if named else str(v): groups[v] for v in sorted(groups)}


def texts(where: str, table: "Dataset", column: str) -> tuple[str, ...]:
    """The values of a column as text; what is missing is empty. Named classes are named.

    Raises:
        DataError: there is no such column, or it holds neither text nor whole numbers.
    """
    import datasets

    if column not in table.column_names:
        guess = nearest(column, table.column_names)
        problem = f"there is no column {column!r}; {guess}; {column_advice(column)}"
        raise failure(where, [problem])
    kind = table.features[column]
    values: list[Any] = table[column][:]
    if not all(isinstance(value, str | int | None) for value in values):
        problem = f"the column {column!r} must hold text or whole numbers, got {kind}"
        raise failure(where, [f"{problem}; set data.group"])
    if isinstance(kind, datasets.ClassLabel):
        return tuple("" if value in (None, -1) else kind.int2str(value) for value in values)
    return tuple("" if value is None else str(value) for value in values)
