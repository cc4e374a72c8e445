"""The folder of a run: a new one for each run, and which can be resumed."""

import pytest

from tlf.errors import RunError
from tlf.runs.folder import check_writable, new_run_folder, resumable_run
from tlf.runtime.stored.state import state_file


def test_a_run_never_uses_the_folder_of_another(tmp_path):
    output = str(tmp_path / "runs" / "x")
    names = [new_run_folder(output).name for _ in range(3)]
    assert names == ["x", "x-2", "x-3"]


def test_a_file_in_the_way_is_reported_and_nothing_is_created(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write the folder"):
        check_writable(str(tmp_path / "file" / "run"))
    check_writable(str(tmp_path / "new" / "run"))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_runs_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [str(new_run_folder(output)) for output in ("a/b", "a/b", "a/b/", "a/b")]
    assert names == ["a/b", "a/b-2", "a/b-3", "a/b-4"]
    assert new_run_folder(".") == tmp_path.with_name(f"{tmp_path.name}-2")


def test_only_a_run_that_has_not_ended_can_be_resumed(run_copy, tmp_path):
    with pytest.raises(RunError, match=r"is not the folder of a run; write one, such as runs/mine"):
        resumable_run(tmp_path)
    told = (
        r"has ended; there is nothing to resume. To train it further, write: tlf resume \S+ phases"
    )
    with pytest.raises(RunError, match=rf"{told}\.all\.epochs=3$"):
        resumable_run(run_copy)
    assert resumable_run(run_copy, further=True) == run_copy
    state = state_file(run_copy).read_bytes()
    for before, after, told in ((b"format", b"former", "damaged"), (b": 4", b": 3", "must be 4")):
        state_file(run_copy).write_bytes(state.replace(before, after, 1))
        with pytest.raises(RunError, match=rf"state.safetensors .*{told}.*; start a new run"):
            resumable_run(run_copy)
    state_file(run_copy).write_bytes(state)
    (run_copy / "model.safetensors").unlink()
    assert resumable_run(run_copy) == run_copy
    (run_copy / "provenance.json").write_text('{"format": 3}')
    with pytest.raises(RunError, match="has format 3, from a newer tlf, and this tlf resumes form"):
        resumable_run(run_copy)
    (run_copy / "provenance.json").write_text("{}")  # format 1 does not record it
    with pytest.raises(RunError, match="has format 1, from an older tlf"):
        resumable_run(run_copy)
    for content in ("{", "null", "[2]", '{"format": "2"}', '{"format": true}', '{"format": -1}'):
        (run_copy / "provenance.json").write_text(content)
        with pytest.raises(RunError, match=r"provenance\.json is damaged"):
            resumable_run(run_copy)
    (run_copy / "provenance.json").write_text("{")
    with pytest.raises(RunError, match=r"provenance\.json is damaged: .*; start a new run"):
        resumable_run(run_copy)
