"""The table of the groups of a run's eval images."""

import pytest

from tlf.errors import RunError
from tlf.inference.tables.groups import FILE, read_groups, remove_groups, write_groups


def test_what_is_written_is_read(tmp_path):
    assert read_groups(tmp_path) is None
    write_groups(tmp_path, ["a, 1.jpg", 'b".jpg', "蚁\n.jpg"], ["Ann", "Bob, B.", "Ann"])
    assert read_groups(tmp_path) == {
        "a, 1.jpg": "Ann", 'b".jpg': "Bob, B.", r"蚁\n.jpg": "Ann",
    }  # fmt: skip
    assert (tmp_path / FILE).read_text().startswith('path,group\n"a, 1.jpg",Ann\n')
    remove_groups(tmp_path)
    remove_groups(tmp_path)
    assert read_groups(tmp_path) is None


@pytest.mark.parametrize("text", ["", "path\na\n", "path,group\na\n", 'path,group\n"a,b\n'])
def test_a_damaged_table_is_refused_by_name(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RunError, match=r"groups\.csv is damaged, .*put it back, or remove it"):
        read_groups(tmp_path)
