"""``tlf cache`` lists the entries of the cache, and clears it."""

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


def lines(*arguments, **environment):
    done = CliRunner(env=environment).invoke(cli, ["cache", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_entries_are_listed_most_recently_used_first(cache):
    first, second, total = lines("--dir", cache.folder)
    assert first == f"{datetime.fromtimestamp(1.2e9):%Y-%m-%d %H:%M}  0.5 MB  dogs"
    assert second.startswith(f"{datetime.fromtimestamp(1e9):%Y-%m-%d}")
    assert second.endswith("  1.5 MB  features of cats")
    assert total == f"2.0 MB in 2 entries in {cache.folder}"


def test_clear_removes_all_entries_and_prints_their_size(cache):
    assert lines("--clear", "--dir", cache.folder) == [f"removed 2.0 MB from {cache.folder}"]
    assert list(cache.folder.iterdir()) == []
    assert lines("--dir", cache.folder) == [f"0 kB in 0 entries in {cache.folder}"]


def test_the_default_is_tlfs_own_folder(tmp_path):
    assert lines(TLF_CACHE=str(tmp_path)) == [f"0 kB in 0 entries in {tmp_path / 'chain'}"]


def test_a_missing_folder_is_not_created(tmp_path):
    assert lines("--dir", tmp_path / "no") == [f"0 kB in 0 entries in {tmp_path / 'no'}"]
    assert not (tmp_path / "no").exists()
