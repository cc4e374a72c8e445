"""A run gives the same results with and without a cache, whatever is killed, damaged or full."""

import os
import signal
import subprocess
import sys

import pytest

from entries import flip, python
from places import ROOT
from run_files import different_tensors
from small import TWO_PHASES, write_recipe
from tlf.cache.store import Cache
from tlf.results import Stored
from tlf.runs.run import run

SMALL = ("phases.1.epochs=1",)


def assert_same(one, other):
    assert different_tensors(one / "model.safetensors", other / "model.safetensors") == []
    assert (one / "predictions.csv").read_bytes() == (other / "predictions.csv").read_bytes()


@pytest.fixture(scope="module")
def uncached(tmp_path_factory, images):
    """The folder of a run of the same recipe without the cache."""
    folder = tmp_path_factory.mktemp("uncached")
    path = write_recipe(folder / "recipe.toml", images, TWO_PHASES)
    for _ in run(path, [*SMALL, 'cache.mode="off"']):
        pass
    return folder / "run"


def stored(recipe, folder, output):
    events = [*run(recipe, [*SMALL, f"cache.dir={folder}", f"output={output}"])]
    return {event.title: event.reused for event in events if isinstance(event, Stored)}


def test_damaged_entries_are_computed_again(tmp_path, recipe, uncached):
    folder = tmp_path / "cache"
    reused = stored(recipe, folder, tmp_path / "first")
    assert len(reused) == 4
    for name in ("truncated", "flipped"):
        for data in folder.glob("*/data"):
            if name == "truncated":
                os.truncate(data, data.stat().st_size // 2)
            else:
                flip(data, 1000)
        assert stored(recipe, folder, tmp_path / name) == dict.fromkeys(reused, False)
        assert_same(uncached, tmp_path / name)
    assert stored(recipe, folder, tmp_path / "last") == dict.fromkeys(reused, True)
    assert_same(uncached, tmp_path / "last")


RUN = """
import os, resource, signal, sys
from tlf.results import Notice, Prepared
from tlf.runs.run import RunStarted, run
path, place, *overrides = sys.argv[1:]
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
if place == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
for event in run(path, overrides):
    if isinstance(event, RunStarted):
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    if isinstance(event, Notice):
        print(event.text)
    if isinstance(event, Prepared) and event.title.startswith(place):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("place", ["decoding train", "features of 20 train"])
def test_a_run_killed_while_it_stores_leaves_nothing_wrong(tmp_path, recipe, uncached, place):
    folder = tmp_path / "cache"
    done = python(RUN, recipe, place, f"cache.dir={folder}", *SMALL)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [*folder.glob(".partial-*")]
    reused = stored(recipe, folder, tmp_path / "again")
    assert not any(reused for title, reused in reused.items() if title.startswith("features"))
    assert_same(uncached, tmp_path / "again")
    assert not [*folder.glob(".partial-*")]
    assert all(stored(recipe, folder, tmp_path / "warm").values())
    assert_same(uncached, tmp_path / "warm")


def test_a_full_disk_costs_time_and_nothing_else(tmp_path, recipe, uncached):
    places = (f"cache.dir={tmp_path / 'cache'}", f"output={tmp_path / 'full'}")
    done = python(RUN, recipe, "full", *places, *SMALL)
    assert done.returncode == 0, done.stderr
    for what in ("20 decoded train images", "11 decoded eval images"):
        assert f"{what}: not stored, File too large; computed anew" in done.stdout
    assert_same(uncached, tmp_path / "full")
    titles = [entry.title for entry in Cache(tmp_path / "cache", 0).entries()]
    assert len(titles) == 2
    assert not [*(tmp_path / "cache").glob(".partial-*")]


def test_two_runs_may_write_to_the_same_cache(tmp_path, recipe, uncached):
    folder = tmp_path / "cache"
    program = [sys.executable, "-c", RUN, recipe, "never", f"cache.dir={folder}", *SMALL]
    processes = [
        subprocess.Popen([*map(str, program), f"output={tmp_path / name}"], cwd=ROOT)
        for name in ("one", "two")
    ]
    assert [process.wait(300) for process in processes] == [0, 0]
    for name in ("one", "two"):
        assert_same(uncached, tmp_path / name)
    assert len([*folder.iterdir()]) == 4
    assert all(stored(recipe, folder, tmp_path / "after").values())
    assert_same(uncached, tmp_path / "after")
