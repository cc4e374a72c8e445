"""What the columns of a CSV file hold. Bad files are tried through the dataset of tables."""

import pytest

from tlf.data.csv_table import read_csv
from tlf.errors import DataError


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_wanted_columns_in_the_wanted_order(mark, separator):
    text = f'{mark}label,note,path\nant,"x\ny",a.jpg\n\nbee,,b.jpg,\n'.replace(",", separator)
    table = read_csv("list.csv", text.encode(), ["path", "label", "none"])
    assert table.columns == ["label", "note", "path"]
    assert [*table.rows] == [("line 3", ["a.jpg", "ant"]), ("line 5", ["b.jpg", "bee"])]
    assert table.problems == []


def test_lines_that_do_not_fit_the_heading():
    table = read_csv(
        "list.csv", b"path,label\na.jpg\nb.jpg,ant,red\nc.jpg,bee\n", ["path", "label"]
    )
    assert [row[0] for row in table.rows] == ["line 4"]
    assert table.problems == [
        "line 2 has too few columns: 1",
        "line 3 has too many columns: 3; put a cell that holds a separator in quotes",
    ]


@pytest.mark.parametrize("data", [b"", b"\n\n", "path,label".encode("utf-16"), b"\xff,a", b"path"])
def test_what_is_no_table(data):
    with pytest.raises(DataError, match=r"^list\.csv "):
        read_csv("list.csv", data, ["path", "label"])
