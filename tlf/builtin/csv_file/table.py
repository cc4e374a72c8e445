"""Read the columns of a CSV file, or of a parquet file, as text."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from math import isnan
from typing import Any

from tlf.data.csv_table import Table, read_csv
from tlf.data.listing.compact import Names
from tlf.data.listing.records import Rows
from tlf.data.splits import failure
from tlf.errors import DataError
from tlf.runtime.regular_file import read_regular

_MOST_BYTES = 2**30
"""The most bytes that the file may hold."""
_PARQUET = (".parquet", ".pq")


def read_table(file: str, wanted: Sequence[str]) -> Table:
    """The cells of the wanted columns.

    Raises:
        DataError: the file is missing, empty, or neither CSV in UTF-8 nor parquet.
    """
    try:
        data = read_regular(file, _MOST_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}; set data.file") from error
    parquet = file.lower().endswith(_PARQUET)
    table = (_parquet if parquet else read_csv)(file, data, wanted)
    if not table.rows and not table.problems:
        where = "" if parquet else " below its heading"
        raise DataError(f"{file} must list images{where}, got none; add a line for each")
    return table


def _parquet(file: str, data: bytes, wanted: Sequence[str]) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        source = parquet.ParquetFile(BytesIO(data))
        columns = list(source.schema_arrow.names)
        table = source.read(columns=[name for name in wanted if name in columns])
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[:1] or [""]
        raise DataError(f"{file} cannot be read as parquet: {reason[0]}") from error
    cells = [Names(_texts(file, name, table[name])) for name in wanted if name in columns]
    count = len(cells[0]) if cells else 0
    return Table(columns, Rows("row", range(count), cells))


def _texts(file: str, name: str, column: Any) -> Iterator[str]:  # noqa: ANN401 - of pyarrow
    """The cells of a column. A whole number may be stored as a float, where others are missing."""
    values = (value for chunk in column.iterchunks() for value in chunk)
    for value in (each.as_py() for each in values):
        if value is None or (isinstance(value, float) and isnan(value)):
            yield ""
        elif isinstance(value, float) and value.is_integer():
            yield str(int(value))
        elif isinstance(value, str | int):
            yield str(value)
        else:
            problem = f"the column {name!r} must hold text or whole numbers, got {column.type}"
            advice = f'if it holds images, write data.kind = "hub" and data.name = "{file}"'
            raise failure(file, [f"{problem}; {advice}"])
