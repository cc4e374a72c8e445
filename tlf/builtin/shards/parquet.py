"""Images in the rows of parquet files: bytes, or structs of bytes and a path."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from tlf.builtin.shards.archive import AGAIN
from tlf.builtin.shards.index import GrowingIndex, Index, Place
from tlf.builtin.shards.label_cells import Labels, labels_of
from tlf.builtin.shards.samples import Layout
from tlf.builtin.shards.stream import Raw
from tlf.data.columns import chosen_column
from tlf.data.ranges import Object
from tlf.data.ranges.addresses import other_bytes
from tlf.data.splits import failure
from tlf.errors import DataError, StorageError

_BATCH = 64
"""Rows that are hashed at a time."""
_MOST_GROUPS = 4
"""Row groups whose images a process keeps."""
_MOST_BYTES = 2**29
"""Bytes of the images of a row group, at most."""
_MOST_FILES = 64
"""Parquet files whose lists of row groups a process keeps."""


@dataclass(frozen=True)
class Columns:
    """The columns of a parquet file that hold images and labels."""

    image: str
    labels: Labels
    scheme: str
    """Both, with their types."""


def parquet_index(source: Object, layout: Layout) -> Index:
    """The images of a parquet file.

    Raises:
        DataError: it is cut or damaged, lacks a column, or a row lacks an image or a label.
    """
    file = _called(source, lambda: _opened(source))
    columns = _columns(source, file.schema_arrow, layout)
    rows, lacking = GrowingIndex(), {"image": 0, "label": 0}
    several = columns.labels.several
    for group in range(file.num_row_groups):
        _check_size(source, file.metadata.row_group(group), columns.image)
        for row, data, path, text in _read(source, file, group, columns):
            lacking["image"] += data is None
            lacking["label"] += text is None
            if data is not None and text is not None:
                alone = several or "/" in path or not path
                name = path if alone else f"{text}/{path}"
                rows.add(name, Place(group, row), len(data), sha256(data).digest(), text)
    problems = [
        f"{count:,} rows have no {what}; {AGAIN} without them"
        for what, count in lacking.items()
        if count
    ]
    if problems:
        raise failure(source.shown, problems)
    return rows.index(columns.scheme, columns.image, several=several)


def _check_size(source: Object, group: Any, image: str) -> None:  # noqa: ANN401 - of pyarrow
    """Check that a row group can be read for one of its images.

    Raises:
        DataError: it is too large.
    """
    parts = (group.column(number) for number in range(group.num_columns))
    size = sum(
        part.total_uncompressed_size
        for part in parts
        if f"{part.path_in_schema}.".startswith(f"{image}.")
    )
    if size > _MOST_BYTES:
        raise DataError(
            f"{source.shown}: a row group, which is read whole for one of its images, must have at "
            f"most {_MOST_BYTES:,} bytes of images, got {size:,}; {AGAIN} with row_group_size=100"
        )


def read_row(source: Object, image: str, place: Place) -> bytes:
    """The image in a row. ``image``: its column.

    Raises:
        DataError: it cannot be read.
    """
    group = _row_group(source, image, place.first)
    cell = group[place.second].as_py() if place.second < len(group) else None
    data: bytes | None = cell.get("bytes") if isinstance(cell, dict) else cell
    if data is None:
        raise StorageError(other_bytes(source.address))
    return data


@lru_cache(_MOST_GROUPS)
def _row_group(source: Object, image: str, group: int) -> Any:  # noqa: ANN401 - of pyarrow
    """The images of a row group: a row is found after its group is read."""
    return _called(
        source,
        lambda: _opened(source).read_row_group(group, columns=[image], use_threads=False)[image],
    )


def _opened(source: Object) -> Any:  # noqa: ANN401 - of pyarrow
    """A file for one thread."""
    from pyarrow import parquet

    return parquet.ParquetFile(Raw(source), metadata=_metadata(source))


@lru_cache(_MOST_FILES)
def _metadata(source: Object) -> Any:  # noqa: ANN401 - of pyarrow
    """Where the row groups of a file are, which may take megabytes."""
    from pyarrow import parquet

    return parquet.read_metadata(Raw(source))


def _called(source: Object, function: Callable[[], Any]) -> Any:  # noqa: ANN401 - what it returns
    """What pyarrow returns.

    Raises:
        StorageError: it failed.
    """
    import pyarrow

    try:
        return function()
    except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[:1] or [""]
        raise StorageError(
            f"{source.shown} cannot be read as parquet ({reason[0]}); {AGAIN}, or copy it again"
        ) from error


def _columns(source: Object, schema: Any, layout: Layout) -> Columns:  # noqa: ANN401 - of pyarrow
    """The columns of a file by its schema.

    Raises:
        DataError: one does not exist, or has a wrong type.
    """
    types = {field.name: field.type for field in schema}
    images = [name for name, kind in types.items() if _holds_bytes(kind)]
    image = chosen_column(source.shown, "image", layout.image, images, [*types])
    if not _holds_bytes(types[image]):
        problem = f"the column {image!r} must hold bytes, got {types[image]}"
        raise failure(source.shown, [f"{problem}; set data.image"])
    labels = labels_of(source.shown, schema, layout)
    return Columns(image, labels, f"{image!r} is {types[image]}, {labels.scheme}")


def _holds_bytes(kind: Any) -> bool:  # noqa: ANN401 - a type of pyarrow
    from pyarrow import types

    if types.is_struct(kind):
        position = kind.get_field_index("bytes")
        return position >= 0 and _holds_bytes(kind.field(position).type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _read(
    source: Object,
    file: Any,  # noqa: ANN401 - of pyarrow
    group: int,
    columns: Columns,
) -> Iterator[tuple[int, bytes | None, str, str | None]]:
    """The row, image, path and label of each row of a row group; None where it lacks one."""
    wanted = [columns.image, *columns.labels.columns]
    batches = file.iter_batches(_BATCH, row_groups=[group], columns=wanted, use_threads=False)
    lists = ([batch.column(name).to_pylist() for name in wanted] for batch in batches)
    row = 0
    while (batch := _called(source, lambda: next(lists, None))) is not None:
        for cell, *labels in zip(*batch, strict=True):
            is_struct = isinstance(cell, dict)
            data, path = (cell["bytes"], cell.get("path")) if is_struct else (cell, "")
            named = path if isinstance(path, str) else ""
            yield row, data, named, columns.labels.text(source.shown, labels)
            row += 1
