"""The labels in the rows of parquet files: a column of names, of numbers or of lists of them, or a
column for each class.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlf.builtin.shards.label_lists import text_of_label, text_of_names
from tlf.builtin.shards.samples import Layout
from tlf.data.columns import chosen_column
from tlf.data.splits import failure
from tlf.errors import DataError, nearest


@dataclass(frozen=True)
class Labels:
    """The columns of a parquet file that hold labels."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    """The class of each number, where the file has them; else empty."""
    separator: str
    """Between the names of a text; empty where a text is one name."""
    several: bool
    """Whether an image has any number of classes."""
    marks: bool
    """Whether each column is a class, and holds 0 or 1."""
    scheme: str
    """What they are, with their types."""

    def text(self, where: str, cells: Sequence[Any]) -> str | None:
        """The label of a row; None where there is none.

        Raises:
            DataError: it is no label.
        """
        if self.marks:
            return self._marked(where, cells)
        (cell,) = cells
        if not self.several:
            return self._named(where, cell)
        if cell is None:
            return None
        each = [self._named(where, one) for one in cell] if isinstance(cell, list) else cell
        if isinstance(each, list) and None in each:
            return None
        try:
            return text_of_label(each, self.separator)[0]
        except ValueError as error:
            raise DataError(f"{where}: the column {self.columns[0]!r} {error}") from error

    def _named(self, where: str, label: str | int | None) -> str | None:
        """A label as text: the name of its class, where the file has it."""
        if label is None or (self.names and label == -1) or not str(label).strip():
            return None
        if not self.names or isinstance(label, str):
            return str(label).strip()
        if not 0 <= label < len(self.names):
            raise DataError(
                f"{where}: the column {self.columns[0]!r} must hold numbers below "
                f"{len(self.names)}, the number of its classes, got {label}"
            )
        return self.names[label]

    def _marked(self, where: str, cells: Sequence[Any]) -> str:
        """The classes whose columns hold 1."""
        for name, cell in zip(self.columns, cells, strict=True):
            if cell not in (0, 1):
                raise DataError(f"{where}: the column {name!r} must hold 0 or 1, got {cell!r}")
        return text_of_names(name for name, cell in zip(self.columns, cells, strict=True) if cell)


def labels_of(where: str, schema: Any, layout: Layout) -> Labels:  # noqa: ANN401 - of pyarrow
    """The columns of labels by the schema of a file.

    Raises:
        DataError: one does not exist, or has a wrong type.
    """
    types = {field.name: field.type for field in schema}
    if layout.columns:
        return _of_marks(where, types, layout.columns)
    named = _class_names(schema)
    found = [*named] or [name for name in ("label", "labels") if name in types][:1]
    label = chosen_column(where, "label", layout.label, found, [*types])
    lists = _is_list(types[label])
    _check_holds_labels(where, label, types[label])
    names = named.get(label, ())
    classes = f" of {len(names)} named classes" if names else ""
    scheme = f"{label!r} is {types[label]}{classes}"
    if layout.separator and (lists or names):
        problem = f"data.label_separator divides text, and the column {label!r} is {types[label]}"
        raise failure(where, [f"{problem}; leave it out"])
    several = lists or bool(layout.separator)
    return Labels((label,), names, layout.separator, several, marks=False, scheme=scheme)


def _of_marks(where: str, types: Mapping[str, Any], columns: tuple[str, ...]) -> Labels:
    from pyarrow import types as of

    problems = [
        f"there is no column {name!r}; {nearest(name, [*types])}; set data.labels"
        for name in columns if name not in types
    ]  # fmt: skip
    problems += [
        f"the column {name!r} must hold 0 or 1, got {types[name]}; set data.labels"
        for name in columns
        if name in types and not (of.is_boolean(types[name]) or of.is_integer(types[name])
                                  or of.is_floating(types[name]))
    ]  # fmt: skip
    if problems:
        raise failure(where, problems)
    scheme = f"{len(columns)} columns are classes"
    return Labels(columns, (), "", several=True, marks=True, scheme=scheme)


def _is_list(kind: Any) -> bool:  # noqa: ANN401 - a type of pyarrow
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _check_holds_labels(where: str, label: str, kind: Any) -> None:  # noqa: ANN401 - of pyarrow
    """Check that a column holds names or numbers, or lists of them.

    Raises:
        DataError: it does not.
    """
    from pyarrow import types

    own = kind.value_type if _is_list(kind) else kind
    own = own.value_type if types.is_dictionary(own) else own
    if not (types.is_string(own) or types.is_large_string(own) or types.is_integer(own)):
        problem = f"the column {label!r} must hold names or whole numbers, got {kind}"
        raise failure(where, [f"{problem}; set data.label"])


def _class_names(schema: Any) -> dict[str, tuple[str, ...]]:  # noqa: ANN401 - of pyarrow
    """Column → the names of its classes, as the datasets library writes them into a file."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        each = {name: _class_label(feature) for name, feature in noted.items()}
        return {
            name: tuple(map(str, feature["names"]))
            for name, feature in each.items()
            if feature is not None and name in schema.names
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}  # another program has written it


def _class_label(feature: object) -> Mapping[str, Any] | None:
    """The feature of named classes: a column's own, or that of the items of its lists."""
    if isinstance(feature, list) and len(feature) == 1:
        return _class_label(feature[0])
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") in ("List", "LargeList", "Sequence"):
        return _class_label(feature.get("feature"))
    return feature if feature.get("_type") == "ClassLabel" else None
