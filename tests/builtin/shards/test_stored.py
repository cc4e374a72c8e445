import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from archives import write_tar
from places import ROOT
from tlf.builtin.shards import Shards, stored

MEMBERS = {"a/1.jpg": b"1", "b/2.jpg": b"2"}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / stored.FOLDER


@pytest.fixture
def made(monkeypatch):
    """The shards whose indexes were made, in their order."""
    made, make = [], stored.make_index
    monkeypatch.setattr(
        stored,
        "make_index",
        lambda source, layout: made.append(source.address) or make(source, layout),
    )
    return made


def read(tar):
    images = Shards(tar).labelled(None).images
    return [images.read(i) for i in range(len(images))]


def test_a_shard_is_read_once_until_it_changes(tmp_path, cache, made):
    tar = write_tar(tmp_path / "a.tar", MEMBERS)
    assert read(tar) == read(tar) == [b"1", b"2"]
    assert made == [tar]
    write_tar(tmp_path / "a.tar", MEMBERS | {"b/2.jpg": b"3", "b/4.jpg": b"4"})
    os.utime(tar, (0, 0))  # older than its index
    assert read(tar) == read(tar) == [b"1", b"3", b"4"]
    assert made == [tar] * 2
    assert len(list(cache.iterdir())) == 1  # the new one has taken the place of the old one


def test_another_way_to_find_images_has_an_index_of_its_own(tmp_path, cache, made):
    tar = write_tar(tmp_path / "a.tar", {"x/a/1.jpg": b"1", "x/b/2.jpg": b"2"})
    for label in ("folder", "top-folder", "folder"):
        Shards(tar, label=label).labelled(None)
    assert made == [tar] * 2


@pytest.mark.parametrize("damage", ["cut", "other", "empty", "columns"])
def test_a_damaged_index_is_made_anew(tmp_path, cache, made, damage):
    tar = write_tar(tmp_path / "a.tar", MEMBERS)
    read(tar)
    file = next(cache.iterdir())
    data = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "other":
        data[data.find(b"a/1.jpg")] ^= 1
        file.write_bytes(data)
    elif damage == "columns":
        with np.load(file) as found:
            columns = dict(found)
        np.savez(file, **columns | {"sizes": columns["sizes"][:1]})
    else:
        file.write_bytes(b"")
    assert read(tar) == read(tar) == [b"1", b"2"]
    assert made == [tar] * 2


def test_a_cache_that_cannot_be_written_is_a_note(tmp_path, cache, made):
    tar = write_tar(tmp_path / "a.tar", MEMBERS)
    cache.parent.mkdir()
    cache.write_bytes(b"")  # no folder can be made there
    dataset = Shards(tar, write_tar(tmp_path / "b.tar", MEMBERS))
    assert tuple(dataset.build().eval.names) == ("a/1.jpg", "b/2.jpg")
    assert dataset.build().notes[0].startswith(f"indexes that could not be stored in {cache}: 1 (")
    assert sorted(made) == [tar, tar, tar.replace("a.tar", "b.tar"), tar.replace("a.tar", "b.tar")]


def test_what_killed_processes_left_is_removed(tmp_path, cache):
    tar = write_tar(tmp_path / "a.tar", MEMBERS)
    read(tar)
    file = next(cache.iterdir())
    old, new = (cache / f".{file.name}.{name}.part" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    os.truncate(file, 10)
    read(tar)
    assert (old.exists(), new.exists()) == (False, True)


KILLED = """
import os, signal, sys
from tlf.builtin.shards import Shards
from tlf.runtime import files
files.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Shards(sys.argv[1]).labelled(None)
"""


def test_an_index_that_is_killed_while_it_is_written_is_none(tmp_path, cache, made):
    tar = write_tar(tmp_path / "a.tar", MEMBERS)
    killed = subprocess.run([sys.executable, "-c", KILLED, tar], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in cache.iterdir()] == [".part"]
    assert read(tar) == read(tar) == [b"1", b"2"]
    assert made == [tar]
