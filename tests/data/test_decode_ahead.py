"""Images that are decoded while torch is imported are the same as those decoded after it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256
from mmap import mmap
from pathlib import Path

import pytest
from safetensors.torch import load_file

import tlf
from small import write_recipe
from tlf.data.decode_ahead import _RECORD, Ahead
from tlf.preprocessing import Preprocessing
from tlf.runtime.cores import usable_cores

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="nothing is decoded ahead"),
    pytest.mark.usefixtures("all_cores"),  # the child decodes on another core
]

PHASES = "[[phases]]\nname = 'head'\nfreeze = 'backbone'\nepochs = 2\nlr = 0.1\n"

BEGIN = """
import os, sys, time
from dataclasses import replace
from hashlib import sha256
from tlf.data import decode_ahead
from tlf.cache.store import open_cache
from tlf.components import Split, Splits
from tlf.data.transforms import full_pixels, load_pixels
from tlf.recipe.plan import find_and_decode_ahead, plan_of
from tlf.preprocessing import Preprocessing

def compare(ahead, splits, preprocessing):
    import numpy as np
    same, decoded = [], ahead.take(preprocessing)
    full = decoded.get("full")
    for split in (splits.train, splits.eval):
        name = "eval" if split is splits.eval else "train" if full is None else "full"
        for index in range(len(split)):
            data = split.read(index)
            pixels = decoded.get(name, {}).get(sha256(data).digest())
            there = pixels is not None
            alone = full_pixels if name == "full" else load_pixels
            how = 3 if name == "full" else preprocessing
            same.append(there and np.array_equal(pixels, alone(data, how)))
    print(sum(same), len(same), "torch" in sys.modules, *["full"] * (full is not None))
"""

WHOLE = """
with find_and_decode_ahead(plan_of(sys.argv[1], sys.argv[2:])) as plan:
    ahead = plan.ahead
    os.waitid(os.P_PID, ahead.pid, os.WEXITED | os.WNOWAIT)
    compare(ahead, plan.splits, ahead.preprocessing)
"""

SLOW = """
def read(index):
    time.sleep(0.02)
    return open(sys.argv[1], "rb").read() + bytes([index])

splits = Splits(Split(range(100), [0] * 100, read), Split(range(10), [0] * 10, read), ("a",))
ahead = decode_ahead.start(splits, Preprocessing(), open_cache(sys.argv[2]))
print(ahead.pid, flush=True)
"""


def program(text, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + text, *map(str, arguments)],
        capture_output=True, text=True, check=True, env={**os.environ, **environment},
    )  # fmt: skip
    return done.stdout.split("\n")[:-1]


@pytest.fixture
def starter(tmp_path, images):
    """A recipe whose weights say how images are prepared; its own images and cache."""
    shutil.copytree(images, tmp_path / "own")
    recipe = write_recipe(tmp_path / "recipe.toml", tmp_path / "own", PHASES)
    return (
        recipe,
        "transforms={augment='none', size=112, resize=128}",
        "backbone={kind='torchvision', model='resnet18', weights='starter'}",
        f"cache.dir={tmp_path / 'cache'}",
    )


def entries(folder):
    """Kind → the bytes that are stored of it."""
    return sorted((path.parent.name, path.read_bytes()) for path in folder.glob("*/data"))


def test_every_image_is_decoded_without_torch(starter):
    assert program(WHOLE, *starter) == ["31 31 False"]


@pytest.mark.parametrize(
    ("phases", "full"),
    [
        ("[{name='a', epochs=1, lr=0.1}]", " full"),
        ("[{name='a', epochs=1, lr=0.1}, {name='b', augment='none', epochs=1, lr=0.1}]", " full"),
        ("[{name='a', augment='none', epochs=1, lr=0.1}]", ""),
        ("[{name='a', augment=['trivial-augment', 'crop-flip'], epochs=1, lr=0.1}]", ""),
    ],
)
def test_images_of_which_crops_are_cut_are_decoded_at_full_resolution(starter, phases, full):
    overrides = ("transforms.augment=crop-flip", f"phases={phases}")
    assert program(WHOLE, *starter, *overrides) == [f"31 31 False{full}"]


def test_a_run_that_crops_files_stores_and_trains_the_same(starter, tmp_path):
    recipe, *overrides = starter
    overrides += ["transforms.augment=crop-flip", "phases.0.epochs=1"]
    for name, fork in (("ahead", "True"), ("alone", "False")):
        text = f"""
decode_ahead._can_fork = lambda: {fork}
sys.argv = ["tlf", *sys.argv[1:], "output={tmp_path}/{name}"]
from tlf.cli.main import main
print("exit", main())
"""
        assert program(text, recipe, *overrides)[-1] == "exit 0"
        shutil.move(tmp_path / "cache", tmp_path / f"cache of {name}")
    one, other = (entries(tmp_path / f"cache of {name}") for name in ("ahead", "alone"))
    assert one == other
    assert [name.rpartition("-")[0] for name, _ in one] == ["activations", "full-pixels", "pixels"]
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("ahead", "alone"))
    assert all(one[name].equal(other[name]) for name in one)


def test_images_that_are_resized_in_another_way_are_not_used(starter):
    other = WHOLE.replace("ahead.preprocessing)", "replace(ahead.preprocessing, resize=130))")
    assert program(other, *starter) == ["0 31 False"]
    other = WHOLE.replace(
        "ahead.preprocessing)", "replace(ahead.preprocessing, mean=(0.5, 0.5, 0.5)))"
    )
    assert program(other, *starter) == ["31 31 False"]


def test_the_memory_is_limited(starter):
    small = WHOLE.replace("with find", "decode_ahead._MAX_BYTES = 10 * 3 * 150 * 150\nwith find", 1)
    (line,) = program(small, *starter)
    assert 0 < int(line.split()[0]) < 31


def test_a_run_stores_and_trains_the_same(starter, tmp_path, threads, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # a person's number would be kept
    threads(usable_cores())  # as many as the process of its own takes
    recipe, *overrides = starter
    subprocess.run(
        [sys.executable, "-m", "tlf", str(recipe), *overrides, f"output={tmp_path}/ahead"],
        check=True, capture_output=True,
    )  # fmt: skip
    before = entries(tmp_path / "cache")
    assert program(WHOLE, *starter) == ["0 31 False"]  # what is stored is not decoded again
    shutil.rmtree(tmp_path / "cache")
    for _ in tlf.run(recipe, [*overrides, f"output={tmp_path}/after"]):  # torch is imported here
        pass
    assert entries(tmp_path / "cache") == before
    assert len(before) == 4
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("ahead", "after"))
    assert all(one[name].equal(other[name]) for name in one)


def test_unreadable_images_are_reported_as_without_it(starter, tmp_path):
    recipe, *overrides = starter
    (tmp_path / "own" / "train" / "circles" / "003.jpg").write_bytes(b"no image")
    assert program(WHOLE, *starter) == ["30 31 False"]
    done = subprocess.run(
        [sys.executable, "-m", "tlf", str(recipe), *overrides],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "train/circles/003.jpg: not an image in a known format" in done.stderr
    assert "Traceback" not in done.stderr


def test_images_that_were_decoded_before_it_was_killed_are_used(tmp_path, images):
    image = next(images.glob("train/*/*.jpg"))
    # Once it was waited for, another process may have its id.
    twice = "time.sleep(3.5)\ncompare(ahead, splits, Preprocessing())\nos.kill = None\nahead.stop()"
    child, line = program(SLOW + twice, image, tmp_path)
    done, count, _ = line.split()
    assert 0 < int(done) < int(count) == 110
    assert not Path(f"/proc/{child}").exists()


def test_the_pixels_are_taken_once_and_free_the_memory():
    preprocessing, digest = Preprocessing(), sha256(b"file").digest()
    memory = mmap(-1, _RECORD.size + 12)
    memory[_RECORD.size :] = bytes(range(12))
    _RECORD.pack_into(memory, 0, _RECORD.size, 3, 2, 2, digest)
    ahead = Ahead(0, memory, {"train": 1}, preprocessing, stopped=True)
    decoded = ahead.take(preprocessing)["train"]
    assert decoded[digest].tolist() == [
        [[0, 1], [2, 3]],
        [[4, 5], [6, 7]],
        [[8, 9], [10, 11]],
    ]
    assert ahead.memory is None
    assert ahead.take(preprocessing) == {}
    with pytest.raises(BufferError):
        memory.close()  # the pixels are views of it
    del decoded
    memory.close()


def test_the_child_ends_with_its_parent(tmp_path, images):
    image = next(images.glob("train/*/*.jpg"))
    command = [sys.executable, "-c", f"{BEGIN}{SLOW}time.sleep(60)", image, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        number = parent.stdout.readline().strip()
        assert number.isdigit()
        child = Path(f"/proc/{number}")
        parent.send_signal(signal.SIGKILL)
    until = time.monotonic() + 2  # by itself it would take more than 4 seconds
    while child.exists() and "Z" not in (child / "stat").read_text().split():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("override", "environment"),
    [
        ("cache.mode=off", {}),
        ("backbone={kind='timm', model='test_resnet', weights='none'}", {}),
        ("data.kind=starter", {}),
        ("seed=1", {"WORLD_SIZE": "2"}),
    ],
    ids=["without a cache", "unknown preprocessing", "a reader of its own", "several processes"],
)
def test_where_nothing_is_gained_there_is_no_child(starter, override, environment):
    asked = """
with find_and_decode_ahead(plan_of(sys.argv[1], sys.argv[2:])) as plan:
    print(plan.ahead, plan.splits is None)
"""
    several = "WORLD_SIZE" in environment
    assert program(asked, *starter, override, **environment) == [f"None {several}"]


def test_missing_images_are_reported_before_torch_is_imported(starter):
    recipe, *overrides = starter
    text = """
import json
from tlf.cli.main import main
sys.argv = ["tlf", *sys.argv[1:], "data.root=nowhere"]
print(json.dumps([main(), "torch" in sys.modules]))
"""
    (line,) = program(text, recipe, *overrides)
    assert json.loads(line) == [2, False]
