"""Entries of a cache, for the tests of the cache."""

import os
import subprocess
import sys

from places import ROOT
from tlf.cache.entry import EntryKey

DATA = bytes(range(256)) * 40


def entry_key(name="one"):
    return EntryKey("pixels", f"images of {name}", {"name": name})


def store(cache, name="one", data=DATA, used=None):
    partial = cache.begin(entry_key(name), len(data))
    partial.write(0, data)
    cache.finish(partial, entry_key(name), {"rows": [1, 2]})
    if used is not None:
        os.utime(cache.folder / entry_key(name).name, (used, used))
    return cache.folder / entry_key(name).name


def python(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
