import os
import shutil
import stat
from errno import ENOSPC
from pathlib import Path

import pytest

from tlf.errors import RunError, UnwritableError
from tlf.runtime.files import (
    absolute,
    cache_folder,
    check_creatable,
    check_free,
    from_here,
    is_run,
    remove_parts,
    with_absolute,
    write_folder,
    write_whole,
    writing,
    written_whole,
)


def test_a_path_becomes_absolute_and_stays_the_same_place(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    monkeypatch.chdir(tmp_path / "a")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert absolute("x/../y") == tmp_path / "a" / "y"
    assert absolute("../link") == tmp_path / "link"
    assert absolute("../link/../y") == tmp_path / "a" / ".." / "link" / ".." / "y"  # is a/y
    assert absolute("~/z") == Path("/home/somebody/z")
    assert with_absolute("y") == f"y ({tmp_path}/a/y)"
    assert with_absolute(tmp_path) == str(tmp_path)
    assert from_here(tmp_path / "a" / "b") == Path("b")
    assert from_here(tmp_path) == tmp_path


def test_a_path_that_cannot_be_made_absolute(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert absolute("/x") == Path("/x")
    for address in ("https://x.org/w.pth", "s3://images", "file:///x"):
        with pytest.raises(RunError, match=f"{address} is an address; download what is there"):
            absolute(address)
    with pytest.raises(RunError, match="x is relative to a working directory that is gone; write"):
        absolute("x")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    odd.mkdir()
    monkeypatch.chdir(odd)
    with pytest.raises(RunError, match=r"caf\\udce9/x' must be UTF-8; rename what it names"):
        absolute("x")
    with pytest.raises(RunError, match="a path must not contain the character NUL"):
        absolute("/a\0b")


def test_the_cache_folder_is_in_tlf_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    assert cache_folder("x") == (tmp_path / "cache" / "x").resolve()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunError, match="TLF_CACHE"):
        cache_folder("x")


def _write(path, text, error=None):
    with written_whole(path) as temporary:
        temporary.write_text(text)
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


def test_the_parts_of_a_killed_program_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "resume").mkdir()
    written = {tmp_path / "x", tmp_path / ".hidden", tmp_path / "resume" / "y.part"}
    for path in written:
        path.write_text("")
    with written_whole(tmp_path / "resume" / "y") as temporary:
        temporary.write_text("half")
        (temporary.parent / ".tmpabc").write_text("as safetensors does")
        shutil.copytree(temporary.parent, temporary.parent.with_name(".y.killed.part"))
    remove_parts(tmp_path)
    written.add(tmp_path / "resume" / "y")
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == written
    assert {path for path in tmp_path.rglob("*") if path.is_dir()} == {tmp_path / "resume"}


def test_without_tlf_cache_it_is_in_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("TLF_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("x") == (tmp_path / "xdg" / "tlf" / "x").resolve()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("x") == (tmp_path / "home" / ".cache" / "tlf" / "x").resolve()


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_file_has_the_usual_permissions(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "x", "ä")
    finally:
        os.umask(before)
    assert (tmp_path / "x").read_bytes() == "ä".encode()
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode


def test_a_folder_is_a_run_once_its_recipe_and_provenance_are_there(tmp_path):
    assert not is_run(tmp_path)
    for number, name in enumerate(("recipe.toml", "provenance.json"), 1):
        (tmp_path / name).write_text("")
        assert is_run(tmp_path) == (number == 2)
    assert not is_run(Path(tmp_path / "nowhere"))


def test_a_link_is_followed_and_what_is_no_file_is_refused(tmp_path):
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, "new")
    assert (link.is_symlink(), target.read_text()) == (True, "new")
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(UnwritableError, match=r"cannot write .*: it is not a regular file"):
            write_whole(path, "new")
    assert pipe.is_fifo()


def test_what_exists_is_not_replaced_unasked(tmp_path):
    check_free(tmp_path / "new", overwrite=False)
    (tmp_path / "old").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")  # writing would follow it
    for name in ("old", "link"):
        with pytest.raises(RunError, match=rf"{name} exists; write --overwrite to .*, or --output"):
            check_free(tmp_path / name, overwrite=False)
        check_free(tmp_path / name, overwrite=True)


def test_a_folder_is_written_whole_and_replaces_none(tmp_path):
    def write(folder):
        assert folder.parent == tmp_path / "new"
        (folder / "a").write_text("1")

    path = tmp_path / "new" / "x"
    assert [write_folder(path, write).name for _ in range(3)] == ["x", "x-2", "x-3"]
    assert (path / "a").read_text() == "1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o777 & ~current_umask()

    def fail(folder):
        write(folder)
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        write_folder(path, fail)
    (tmp_path / "new" / "link").symlink_to("gone")
    assert write_folder(tmp_path / "new" / "link", write).name == "link-2"
    assert {one.name for one in path.parent.iterdir()} == {"x", "x-2", "x-3", "link", "link-2"}


def test_a_file_of_a_new_folder_that_cannot_be_written_is_called_by_its_final_name(tmp_path):
    def full(folder):
        with writing(folder / "a.csv"):
            raise OSError(ENOSPC, "No space left on device")

    path = tmp_path / "x"
    with pytest.raises(UnwritableError) as caught:
        write_folder(path, full)
    assert str(caught.value) == f"cannot write {path / 'a.csv'}: No space left on device"
    assert not path.exists()


def test_a_folder_that_cannot_be_created_is_reported_and_nothing_is_left(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "x", tmp_path / "new" / ("x" * 300)):
        with pytest.raises(RunError, match=r"^cannot write the folder .*; write here$"):
            check_creatable(path, "write here")
    check_creatable(tmp_path / "new" / "x")
    check_creatable(Path("gone"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
