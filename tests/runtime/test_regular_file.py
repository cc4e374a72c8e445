"""Nothing is opened that would be waited for, never ends, or is larger than the memory."""

import os
import socket

import pytest

from tlf.runtime.regular_file import check_regular, read_regular


def test_a_regular_file_is_read(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"content")
    (tmp_path / "link").symlink_to(file)
    assert read_regular(file) == read_regular(str(tmp_path / "link"), 7) == b"content"


def test_a_file_may_be_empty(tmp_path):
    (tmp_path / "a").touch()
    assert read_regular(tmp_path / "a") == b""


@pytest.fixture
def odd(tmp_path):
    """What has a name and is no regular file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tmp_path)  # the path of a socket must be short
        server.bind("socket")
        os.chdir(here)
        yield tmp_path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pipe", "a pipe"),
        ("link", "a pipe"),
        ("folder", "a folder"),
        ("socket", "a socket"),
        ("/dev/zero", "a device"),
    ],
)
@pytest.mark.parametrize("function", [read_regular, check_regular])
def test_what_is_no_regular_file_is_not_opened(odd, name, kind, function):
    with pytest.raises(OSError, match="must be a regular file") as caught:
        function(odd / name)
    assert caught.value.strerror == f"it must be a regular file, got {kind}"


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("tlf.runtime.regular_file.check_regular", lambda *_: None)
    with pytest.raises(OSError, match="got a pipe"):
        read_regular(tmp_path / "pipe")


def test_a_file_of_holes_is_refused_by_its_size(tmp_path):
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(2**43)
    for most in (2**20, None):
        with pytest.raises(OSError, match="must hold at most") as caught:
            read_regular(tmp_path / "giant", most)
        assert "got 8,796,093,022,208" in caught.value.strerror


def test_a_name_with_a_zero_byte_is_no_fault_of_ours():
    with pytest.raises(OSError, match="must have no zero byte"):
        read_regular("a\0b")


def test_a_missing_file_is_an_error_of_its_own(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none")
