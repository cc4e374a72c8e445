"""``tlf cache``: what is stored, how large it is, and how to be rid of it."""

import os
from datetime import datetime

import pytest
from click.testing import CliRunner

from tlf.cache.entry import EntryKey
from tlf.cache.store import Cache
from tlf.cli.main import cli


@pytest.fixture
def cache(tmp_path):
    cache = Cache(tmp_path / "cache", 10**9)
    for title, size, used in (("features of cats", 1_500_000, 1e9), ("dogs", 500_000, 1.2e9)):
        wanted = EntryKey("activations", title, {"title": title})
        partial = cache.begin(wanted, size)
        partial.write(0, bytes(size))
        cache.finish(partial, wanted, None)
        os.utime(cache.folder / wanted.name, (used, used))
    return cache


def told(*arguments, **environment):
    done = CliRunner(env=environment).invoke(cli, ["cache", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_entries_are_listed_the_latest_used_first(cache):
    first, second, total = told("--dir", cache.folder)
    assert first == f"{datetime.fromtimestamp(1.2e9):%Y-%m-%d %H:%M}  0.5 MB  dogs"
    assert second.startswith(f"{datetime.fromtimestamp(1e9):%Y-%m-%d}")
    assert second.endswith("  1.5 MB  features of cats")
    assert total == f"2.0 MB in 2 entries in {cache.folder}"


def test_clearing_removes_all_and_says_how_much(cache):
    assert told("--clear", "--dir", cache.folder) == [f"removed 2.0 MB from {cache.folder}"]
    assert list(cache.folder.iterdir()) == []
    assert told("--dir", cache.folder) == [f"0 kB in 0 entries in {cache.folder}"]


def test_the_folder_is_tlfs_own_unless_another_is_named(tmp_path):
    assert told(TLF_CACHE=str(tmp_path)) == [f"0 kB in 0 entries in {tmp_path / 'chain'}"]


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    assert told("--dir", tmp_path / "no") == [f"0 kB in 0 entries in {tmp_path / 'no'}"]
    assert not (tmp_path / "no").exists()
