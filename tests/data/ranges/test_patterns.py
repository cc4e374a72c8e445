import pytest

from tlf.data.ranges import find
from tlf.errors import DataError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("train-01.tar", "train-00.tar", "val.tar", "a{1,2}.tar", "b[1].tar"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("train-*.tar", ("train-00.tar", "train-01.tar")),
        ("train-{00..01}.tar", ("train-00.tar", "train-01.tar")),
        ("{val,train-*}.tar", ("train-00.tar", "train-01.tar", "val.tar")),
        ("{val,val}.tar", ("val.tar",)),
        ("a{1,2}.tar", ("a{1,2}.tar",)),
        ("b[1].tar", ("b[1].tar",)),
    ],
)
def test_patterns_name_files_in_order(folder, pattern, found):
    assert find(pattern) == found


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("none-*.tar", r"there is no file none-\*\.tar"),
        ("train-{00..02}.tar", r"there is no file train-02\.tar"),
        ("train-{2..1}.tar", r"must count upwards, got \{2\.\.1\}; write \{1\.\.2\}"),
        (".", r"\. must be a file or a pattern, got a folder; write \./\*\.tar"),
        ("{0..999999}.tar", "must name at most 100,000 files"),
        ("{0..999}{0..999}.tar", "must name at most 100,000 files"),
    ],
)
def test_patterns_that_name_nothing_are_refused(folder, pattern, message):
    with pytest.raises(DataError, match=message):
        find(pattern)


def test_a_web_server_lists_no_files():
    assert find("https://host/{a,b}-{8..9}.tar?x=1") == tuple(
        f"https://host/{name}.tar?x=1" for name in ("a-8", "a-9", "b-8", "b-9")
    )
    with pytest.raises(DataError, match=r"https://host/a-\*\.tar must have no \*, \? or \[; count"):
        find("https://host/a-*.tar")
