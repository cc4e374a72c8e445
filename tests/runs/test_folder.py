"""The folder of a run: a new one for each run, and which can be resumed."""

import shutil

import pytest

from tlf.errors import RunError
from tlf.runs.folder import check_writable, latest_run_folder, new_run_folder, unfinished_run
from tlf.runtime.files import cache_folder, remove_parts, written_whole


def test_a_run_never_uses_the_folder_of_another(tmp_path):
    output = str(tmp_path / "runs" / "x")
    assert latest_run_folder(output) is None
    names = [new_run_folder(output).name for _ in range(3)]
    assert names == ["x", "x-2", "x-3"]
    assert latest_run_folder(output).name == "x-3"


def test_a_file_in_the_way_is_reported_and_nothing_is_created(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write the run folder"):
        check_writable(str(tmp_path / "file" / "run"))
    check_writable(str(tmp_path / "new" / "run"))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    assert cache_folder("x") == (tmp_path / "cache" / "x").resolve()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunError, match="TLF_CACHE"):
        cache_folder("x")


def _write(path, text, error=None):
    with written_whole(path) as side:
        side.write_text(text)
        assert not path.exists() or path.read_text() == "old"
        if error:
            raise error


def test_a_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(KeyboardInterrupt):
        _write(path, "half", KeyboardInterrupt())
    assert not list(tmp_path.iterdir())
    _write(path, "old")
    with pytest.raises(OSError, match="full"):
        _write(path, "half", OSError("full"))
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_program_left_half_written_is_removed_and_nothing_else(tmp_path):
    (tmp_path / "resume").mkdir()
    written = {tmp_path / "x", tmp_path / ".hidden", tmp_path / "resume" / "y.part"}
    for path in written:
        path.write_text("")
    with written_whole(tmp_path / "resume" / "y") as side:
        side.write_text("half")
        (side.parent / ".tmpabc").write_text("as safetensors does")
        shutil.copytree(side.parent, side.parent.with_name(".y.killed.part"))
    remove_parts(tmp_path)
    written.add(tmp_path / "resume" / "y")
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == written
    assert {path for path in tmp_path.rglob("*") if path.is_dir()} == {tmp_path / "resume"}


def test_runs_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [str(new_run_folder(output)) for output in ("a/b", "a/b", "a/b/", "a/b")]
    assert names == ["a/b", "a/b-2", "a/b-3", "a/b-4"]
    assert new_run_folder(".") == tmp_path.with_name(f"{tmp_path.name}-2")


def test_only_a_run_that_has_not_ended_can_be_resumed(run_copy, tmp_path):
    with pytest.raises(RunError, match=r"is not the folder of a run; write one, such as runs/mine"):
        unfinished_run(tmp_path)
    with pytest.raises(RunError, match="has ended; there is nothing to resume"):
        unfinished_run(run_copy)
    (run_copy / "model.safetensors").unlink()
    assert unfinished_run(run_copy) == run_copy
    (run_copy / "provenance.json").write_text('{"format": 3}')
    with pytest.raises(RunError, match="has format 3, from a newer tlf, and this tlf resumes form"):
        unfinished_run(run_copy)
    (run_copy / "provenance.json").write_text("{}")  # format 1 does not record it
    with pytest.raises(RunError, match="has format 1, from an older tlf"):
        unfinished_run(run_copy)
    (run_copy / "provenance.json").write_text("{")
    with pytest.raises(RunError, match=r"provenance\.json is damaged: .*; start a new run"):
        unfinished_run(run_copy)
