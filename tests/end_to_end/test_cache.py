"""A run gives the same results with and without a cache, whatever is killed, damaged or full."""

import json
import os
import signal
import subprocess
import sys
from hashlib import sha256

import pytest

from entries import flip, python
from places import ROOT
from run_files import different_tensors
from small import TWO_PHASES, write_recipe
from tlf.cache.store import Cache
from tlf.events import Notice, Stored, Updated
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
                flip(data, data.stat().st_size // 2)
        assert stored(recipe, folder, tmp_path / name) == dict.fromkeys(reused, False)
        assert_same(uncached, tmp_path / name)
    assert stored(recipe, folder, tmp_path / "last") == dict.fromkeys(reused, True)
    assert_same(uncached, tmp_path / "last")


RUN = """
import os, resource, signal, sys
from tlf.events import Notice, Prepared
from tlf.runs.folder import RunStarted
from tlf.runs.run import run
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
    assert sorted(title for title in titles if title.startswith("features")) == [
        "features of 11 eval images",
        "features of 20 train images",
    ]
    assert not [*(tmp_path / "cache").glob(".partial-*")]


@pytest.mark.slow
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
    assert len([path for path in folder.iterdir() if not path.name.startswith("probes-")]) == 4
    assert all(stored(recipe, folder, tmp_path / "after").values())
    assert_same(uncached, tmp_path / "after")


@pytest.mark.parametrize("workers", [0, 2])
def test_entries_that_are_cut_while_in_use_cost_no_bit(tmp_path, recipe, uncached, workers):
    """In the middle of an epoch: the images are decoded anew, and the features computed anew."""
    folder, output = tmp_path / "cache", tmp_path / "cut"
    words = [*SMALL, f"cache.dir={folder}", f"output={output}", f"workers={workers}"]
    notices = []
    for event in run(recipe, words):
        notices += [event.text] if isinstance(event, Notice) else []
        if isinstance(event, Updated):
            for data in folder.glob("*/data"):
                os.truncate(data, min(5000, data.stat().st_size // 2))
    assert_same(uncached, output)
    cut = [text for text in notices if "was cut while it was in use" in text]
    assert any(text.startswith("20 decoded train images: ") for text in cut)
    assert any(text.startswith("features of 20 train images: ") for text in cut)


def test_a_forged_index_is_computed_again(tmp_path, recipe, uncached):
    """Its seal is right, and what it says of the images is not."""
    folder = tmp_path / "cache"
    reused = stored(recipe, folder, tmp_path / "first")
    for path in folder.glob("*/entry.json"):
        note = json.loads(path.read_text().partition("\n")[0])
        note["index"] = {"shapes": [], "starts": [0], "reasons": {}}
        note["bytes"] += note["title"].startswith("features")
        text = json.dumps(note, sort_keys=True)
        path.write_text(f"{text}\n{sha256(text.encode()).hexdigest()}\n")
    again = stored(recipe, folder, tmp_path / "again")
    assert {title for title, found in again.items() if not found} == {*reused}
    assert_same(uncached, tmp_path / "again")


@pytest.mark.parametrize("home", ["/proc/1", "/dev/null", "{file}"])
def test_a_cache_that_cannot_be_made_costs_no_run(tmp_path, recipe, uncached, monkeypatch, home):
    monkeypatch.delenv("TLF_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", home.format(file=tmp_path / "file"))
    events = [*run(recipe, [*SMALL, f"output={tmp_path / 'run'}"])]
    assert_same(uncached, tmp_path / "run")
    assert not any(isinstance(event, Stored) for event in events)
    notices = [event.text for event in events if isinstance(event, Notice)]
    why = f"not stored, cannot make the folder {home.format(file=tmp_path / 'file')}/.cache/tlf/"
    assert sum(why in text for text in notices) >= 2
