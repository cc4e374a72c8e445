import importlib
import os
import pickle

import pytest

from tlf.data.ranges import local, open_object
from tlf.errors import DataError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(range(100)))
    return path


def test_ranges_of_a_file_are_read_by_position(file):
    found = pickle.loads(pickle.dumps(open_object(str(file))))
    assert (found.size, found.read(3, 4), found.read(0, 0)) == (100, bytes((3, 4, 5, 6)), b"")
    assert found.read(0, 100) == bytes(range(100))


def test_a_changed_file_is_refused_even_if_its_size_is_the_same(file):
    found = open_object(str(file))
    found.read(0, 1)
    file.write_bytes(bytes(100))
    os.utime(file, ns=(1, 1))
    with pytest.raises(DataError, match=r"a\.tar has changed since it was first read"):
        found.read(0, 1)
    assert open_object(str(file)).version != found.version


def test_a_file_that_shrinks_is_refused(file):
    found = open_object(str(file))
    os.truncate(file, 10)
    with pytest.raises(DataError, match="has changed"):
        found.read(50, 10)


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe: it must be a regular file, got a pipe"):
        open_object(str(tmp_path / "pipe"))
    with pytest.raises(DataError, match=r"cannot read .*none: No such file"):
        open_object(str(tmp_path / "none"))


def test_few_files_stay_open(tmp_path, monkeypatch):
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    for number in range(local.MOST_OPEN + 20):
        (tmp_path / str(number)).write_bytes(b"x")
        assert open_object(str(tmp_path / str(number))).read(0, 1) == b"x"
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) <= before + local.MOST_OPEN


def test_a_system_without_pread_reads_the_same(file, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delattr(os, "pread")
        without = importlib.reload(local)
    version = without.look(str(file))[1]
    assert without.read(str(file), version, 3, 4) == bytes((3, 4, 5, 6))
    assert without.read(str(file), version, 98, 4) == bytes((98, 99))
    importlib.reload(local)
