"""Paths on stdin, one by one."""

import io
import os
import sys
import threading

import pytest

from tlf.cli.path_list import LONGEST, read_paths
from tlf.errors import DataError


@pytest.fixture
def stdin(monkeypatch):
    """Give bytes to whoever reads stdin."""
    return lambda data: monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_every_byte_of_a_path_stays(stdin):
    stdin(b" a b.jpg \r\ncaf\xe9.jpg\n\n-\nlast.jpg")
    assert [*read_paths(null=False)] == [" a b.jpg ", os.fsdecode(b"caf\xe9.jpg"), "-", "last.jpg"]
    stdin(b"\xef\xbb\xbfa.jpg\r\n\xef\xbb\xbfb.jpg")  # the mark that Windows begins text with
    assert [*read_paths(null=False)] == ["a.jpg", "\ufeffb.jpg"]
    stdin(b"a\n.jpg\0b\r.jpg\0")
    assert [*read_paths(null=True)] == ["a\n.jpg", "b\r.jpg"]


def test_paths_of_any_number_are_read_across_blocks(stdin):
    names = [f"{'d' * (number % 97)}/{number}.jpg" for number in range(20_000)]
    stdin("\n".join(names).encode())
    assert [*read_paths(null=False)] == names


def test_a_path_is_there_before_the_next_is_written(monkeypatch):
    reader, writer = os.pipe()
    monkeypatch.setattr("sys.stdin", os.fdopen(reader))
    paths = read_paths(null=False)
    os.write(writer, b"first.jpg\nsec")
    found = []
    waiting = threading.Thread(target=lambda: found.append(next(paths)), daemon=True)
    waiting.start()
    waiting.join(20)
    os.close(writer)
    assert found == ["first.jpg"]
    assert [*paths] == ["sec"]
    sys.stdin.close()


def test_a_closed_stdin_is_empty_and_a_broken_one_is_named(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert [*read_paths(null=False)] == []

    class Broken(io.BytesIO):
        def read1(self, size=-1):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Broken()))
    with pytest.raises(DataError, match="stdin cannot be read: Input/output error; pipe a list"):
        next(read_paths(null=False))


def test_what_is_no_list_of_paths_is_refused_before_it_fills_the_memory(stdin):
    stdin(b"\xff\xd8\xff\0" * 10)
    with pytest.raises(DataError, match="got a NUL byte; write -0 for the output of find -print0"):
        next(read_paths(null=False))
    stdin(b"a.jpg\n" * LONGEST)
    with pytest.raises(DataError, match="at most 65,536 bytes, got more; leave out -0"):
        next(read_paths(null=True))
