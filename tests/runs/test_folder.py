import pytest

from tlf.errors import RunError
from tlf.runs.folder import check_writable, latest_run_folder, new_run_folder


def test_a_run_never_takes_anothers_folder(tmp_path):
    output = str(tmp_path / "runs" / "x")
    assert latest_run_folder(output) is None
    names = [new_run_folder(output).name for _ in range(3)]
    assert names == ["x", "x-2", "x-3"]
    assert latest_run_folder(output).name == "x-3"


def test_a_file_in_the_way_is_told_and_nothing_is_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write the run folder"):
        check_writable(str(tmp_path / "file" / "run"))
    check_writable(str(tmp_path / "new" / "run"))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
