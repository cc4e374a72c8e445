"""A column whose rows have a list of classes each."""

from typing import TYPE_CHECKING, Any

from tlf.data.label_sets.as_text import is_name, text_of
from tlf.data.splits import failure

if TYPE_CHECKING:
    from datasets import Dataset


def holds_lists(kind: Any) -> bool:  # noqa: ANN401 - a feature
    """Whether a column of this type has lists."""
    import datasets

    return isinstance(kind, datasets.List | datasets.LargeList)


def rows_by_classes(
    where: str, table: "Dataset", label: str
) -> tuple[dict[str, list[int]], tuple[str, ...]]:
    """The text of several classes → rows, and the classes: named ones in the dataset's order;
    numbers and other names are sorted.

    Raises:
        DataError: the lists hold no classes, or rows have none.
    """
    import datasets

    kind = table.features[label].feature
    values: list[Any] = table[label][:]
    named = isinstance(kind, datasets.ClassLabel)
    every = {value for row in values for value in row or ()}
    if not named and not all(isinstance(value, str | int) for value in every):
        problem = f"the column {label!r} must hold lists of names or of whole numbers, got {kind}"
        raise failure(where, [f"{problem}; set data.label"])
    unknown = sum(row is None or None in row or (named and -1 in row) for row in values)
    if unknown:
        problem = f"{unknown} rows have no list of classes, or an unknown class in it"
        raise failure(where, [f"{problem}; write an empty list for an image without a class"])
    text = kind.int2str if named else str
    order = tuple(text(value) for value in sorted(every))
    if wrong := next((name for name in order if not is_name(name)), None):
        problem = f"the name of a class must hold no ';' and begin and end with letters: {wrong!r}"
        raise failure(where, [f"{problem}; rename it"])
    groups: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        groups.setdefault(text_of(map(text, value)), []).append(row)
    return groups, order
