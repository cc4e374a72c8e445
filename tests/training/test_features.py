"""What is computed once changes nothing: runs with the cache are bit for bit the runs without."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.modules.module import register_module_forward_pre_hook

from places import ROOT
from tlf.builtin.freeze_policies import tlf_freeze_policies
from tlf.data.loader import Loaders
from tlf.data.resident_pixels import ResidentPixels
from tlf.data.stored_batches import stored_batches
from tlf.events import Notice, SegmentStarted, Stored
from tlf.results import EpochResult
from tlf.runs.run import run as run_recipe

RECIPE = """
batch_size = 8
output = "{output}"
[data]
kind = "folder"
root = "{root}"
[transforms]
size = {size}
resize = {size}
augment = {augment}
[backbone]
kind = "{kind}"
model = "{model}"
weights = "none"
[head]
kind = "mlp"
dropout = 0.2
{phases}
"""
PHASES = {
    "features": '[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 3\nlr = 0.05',
    "gradual": (
        '[[phases]]\nname = "p"\nfreeze = [{ kind = "gradual", thaw = 1 }, "norms"]\n'
        "epochs = 4\nlr = 0.01"
    ),
    "last": (
        '[[phases]]\nname = "p"\nfreeze = { kind = "all-but-last", stages = 1 }\n'
        "epochs = 2\nlr = 0.01\nema = 0.5"
    ),
    "tuned-then-frozen": (
        '[[phases]]\nname = "all"\nfreeze = "norms"\nepochs = 1\nlr = 0.01\n'
        '[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 2\nlr = 0.05'
    ),
    # Frozen again, the backbone is evaluated with its average, which keeps moving.
    "averaged-then-frozen": (
        '[[phases]]\nname = "p"\nfreeze = { kind = "alternate", every = 2 }\n'
        "epochs = 6\nlr = 0.01\nema = 0.9"
    ),
    "one-after-the-other": "\n".join(
        f'[[phases]]\nname = "{number}"\nfreeze = {policy}\nepochs = {epochs}\nlr = 0.01'
        for number, (policy, epochs) in enumerate(
            [
                ('{ kind = "plateau", patience = 1 }', 3),
                ('"nothing"', 1),
                ('{ kind = "up-to", stage = "stem" }', 1),
                ('{ kind = "only", stages = ["stem"] }', 1),
                ("{ kind = \"matching\", pattern = '^backbone.*weight' }", 1),
            ]
        )
    ),
}


def run(path, *overrides):
    """Run a recipe here; give what was stored, or found: title → whether it was found."""
    events = list(run_recipe(path, overrides))
    notices = [event.text for event in events if isinstance(event, Notice)]
    return {e.title: e.reused for e in events if isinstance(e, Stored)}, notices


def write(tmp_path, images, phases="features", model="timm:test_resnet", augment="[]", size=32):
    kind, _, name = model.partition(":")
    path = tmp_path / "recipe.toml"
    path.write_text(
        RECIPE.format(
            output=tmp_path / "run", root=images, kind=kind, model=name, augment=augment,
            phases=PHASES.get(phases, phases), size=size,
        )
    )  # fmt: skip
    return path


def same_runs(one: Path, other: Path):
    for name in ("model.safetensors", "head.safetensors"):
        first, second = load_file(one / name), load_file(other / name)
        assert first.keys() == second.keys()
        assert not [n for n in first if not torch.equal(first[n], second[n])]
    assert (one / "predictions.csv").read_bytes() == (other / "predictions.csv").read_bytes()
    rows = [
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (one, other)
    ]
    for first, second in zip(*rows, strict=True):
        for figure in ("train_loss", "eval_loss", "eval_top1", "updates", "stages"):
            assert first[figure] == second[figure]


def with_and_without(tmp_path, path, *overrides):
    """Run without the cache, with an empty one, and with one that holds everything."""
    folder = tmp_path / "cache"
    run(path, 'cache.mode="off"', f"output={tmp_path}/off", *overrides)
    assert not folder.exists()
    told = []
    for name in ("cold", "warm"):
        places = (f"cache.dir={folder}", f"output={tmp_path}/{name}")
        told.append(run(path, *places, *overrides)[0])
        same_runs(tmp_path / "off", tmp_path / name)
    assert told[0].keys() == told[1].keys()
    assert not any(told[0].values())
    assert all(told[1].values())
    return [*told[0]]


@pytest.mark.parametrize("hidden", [8, 2**15])
def test_a_light_head_trains_on_one_thread_and_all_else_computes_on_all(
    tmp_path, images, threads, hidden
):
    threads(2)
    seen = set()

    def look(module, given):
        seen.add((type(module).__name__, torch.get_num_threads()))

    path = write(tmp_path, images)
    events = run_recipe(
        path, (f"head.hidden=[{hidden}]", 'cache.mode="off"', "phases.head.epochs=1")
    )
    for event in events:
        if isinstance(event, SegmentStarted):  # the probes before it compute on all threads
            watch = register_module_forward_pre_hook(look)
        if isinstance(event, EpochResult):
            watch.remove()
    assert {threads for kind, threads in seen if kind == "Conv2d"} == {2}
    assert {threads for kind, threads in seen if kind == "Linear"} == {1 if hidden == 8 else 2}
    assert torch.get_num_threads() == 2


def test_every_policy_is_among_the_phases():
    phases = "".join(PHASES.values())
    assert [kind for kind in tlf_freeze_policies() if f'"{kind}"' not in phases] == []


FEW = ("tuned-then-frozen",)
"""Phases that show it for images that change at random, whose features are not stored."""


@pytest.mark.parametrize(
    ("phases", "augment"),
    [
        *(pytest.param(p, "[]", id=f"{p}-fixed") for p in PHASES),
        *(pytest.param(p, '["crop-flip"]', id=f"{p}-random",
                       marks=() if p in FEW else pytest.mark.slow) for p in PHASES),
    ],
)  # fmt: skip
def test_the_cache_changes_no_bit(tmp_path, images, phases, augment):
    path = write(tmp_path, images, phases, augment=augment)
    with_and_without(tmp_path, path)


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("torchvision:mobilenet_v3_small", 48),
        ("timm:test_efficientnet", 64),
        ("timm:test_convnext", 64),
        ("timm:test_vit", 160),
    ],
)
def test_of_no_architecture(tmp_path, images, model, size):
    told = with_and_without(tmp_path, write(tmp_path, images, "last", model, size=size))
    assert sum(title.startswith("output of") for title in told) == 2


def test_mixed_batches_start_with_images(tmp_path, images):
    told = with_and_without(tmp_path, write(tmp_path, images, augment='["crop-flip", "mixup"]'))
    assert told == ["20 train images at full resolution", "11 decoded eval images"]


def test_phases_with_crops_and_without(tmp_path, images, monkeypatch):
    phases = "\n".join(
        f'[[phases]]\nname = "{name}"\nepochs = 1\nlr = 0.01\n'
        f"freeze = {freeze}\naugment = {augment}"
        for name, freeze, augment in [
            ("crops", '"norms"', '"crop-flip"'),
            ("fixed", '"backbone"', '"none"'),
            ("resized", '"norms"', '["trivial-augment", "crop-flip"]'),
            ("again", '{ kind = "up-to", stage = "stem" }', '["crop-flip", "trivial-augment"]'),
        ]
    )
    # Images as small as these may be faster to decode than to read.
    monkeypatch.setattr("tlf.data.inspection.decoding.check_worth_storing", lambda *_: None)
    told = with_and_without(tmp_path, write(tmp_path, images, phases))
    assert told[:3] == [
        "20 train images at full resolution", "20 decoded train images", "11 decoded eval images",
    ]  # fmt: skip


def test_features_of_crops_of_files_and_of_resized_images_are_told_apart(tmp_path, images):
    path = write(tmp_path, images, augment='["crop-flip"]')
    places = ("cache.views=1", f"cache.dir={tmp_path}/cache")
    found = {}
    for source in ("file", "resized"):
        own = (f"transforms.crop_from={source}", f"output={tmp_path}/{source}")
        found[source] = run(path, *own, *places)[0]
        run(path, f"transforms.crop_from={source}", 'cache.mode="off"', "cache.views=1",
            f"output={tmp_path}/off {source}")  # fmt: skip
        same_runs(tmp_path / source, tmp_path / f"off {source}")
    view = "features of 20 train images, view 1 of 1"
    assert found["file"][view] is found["resized"][view] is False
    assert [title for title, reused in found["resized"].items() if reused] == [
        "11 decoded eval images", "features of 11 eval images",
    ]  # fmt: skip
    with pytest.raises(AssertionError):
        same_runs(tmp_path / "file", tmp_path / "resized")


@pytest.mark.parametrize("budget", ["cache.max_gb=0.00005", "cache.max_gb=20"])
def test_full_resolution_that_is_not_stored_changes_no_bit(tmp_path, images, budget):
    path = write(tmp_path, images, augment='["crop-flip"]')
    run(path, 'cache.mode="off"', f"output={tmp_path}/off")
    stored, notices = run(path, budget, f"cache.dir={tmp_path}/cache")
    same_runs(tmp_path / "off", tmp_path / "run")
    full = "20 train images at full resolution"
    assert (full in stored) is (budget == "cache.max_gb=20")
    assert any(notice.startswith(f"{full}: not stored") for notice in notices) is not (
        full in stored
    )


def test_as_many_views_as_epochs_are_no_cache(tmp_path, images):
    path = write(tmp_path, images, augment='["crop-flip"]')
    told = with_and_without(tmp_path, path, "cache.views=3")
    assert "features of 20 train images, view 3 of 3" in told
    run(path, f"output={tmp_path}/fresh")
    same_runs(tmp_path / "off", tmp_path / "fresh")
    run(path, "cache.views=2", f"output={tmp_path}/two")
    with pytest.raises(AssertionError):
        same_runs(tmp_path / "off", tmp_path / "two")


def test_in_half_precision(tmp_path, images):
    with_and_without(tmp_path, write(tmp_path, images, "last"), 'precision="bf16"')


def test_accumulation_and_ragged_batches(tmp_path, images):
    path = write(tmp_path, images)
    with_and_without(tmp_path, path, "batch_size=7", "accumulate=2")


def test_predictions_are_those_of_the_whole_model(tlf, tmp_path, images):
    """A run's own predictions, from stored features, against the model it leaves."""
    path = write(tmp_path, images)
    run(path)
    found = tlf("predict", "--format", "csv", tmp_path / "run", images / "val")
    written = (tmp_path / "run" / "predictions.csv").read_text()
    rows = [
        {
            Path(row["path"]).name + row["predicted"]: row["p_circles"]
            for row in csv.DictReader(text.splitlines())
        }
        for text in (found.stdout, written)
    ]
    assert rows[0].keys() == rows[1].keys()
    for name, value in rows[0].items():
        assert float(value) == pytest.approx(float(rows[1][name]), abs=2e-6)


@pytest.mark.slow
def test_two_processes(tmp_path, images):
    path = write(tmp_path, images, "gradual")
    for name in ("off", "cold", "warm"):
        extra = 'cache.mode="off"' if name == "off" else f"cache.dir={tmp_path}/cache"
        command = [
            sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
            "--standalone", "-m", "tlf", str(path), extra, f"output={tmp_path}/{name}",
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        same_runs(tmp_path / "off", tmp_path / name)
    assert "found, computed by an earlier run" in done.stdout
    assert "computed once" not in done.stdout


def test_a_learning_rate_sweep_pays_once_and_a_new_image_or_weight_pays_again(tlf, tmp_path, drawn):
    root = drawn(tmp_path / "own", 4, 2)
    path = write(tmp_path, root)
    folder = f"cache.dir={tmp_path}/cache"
    run(path, folder)
    assert all(run(path, folder, "phases.0.lr=0.01", "phases.0.epochs=1")[0].values())
    other = run(path, folder, "seed=1")[0]  # random weights of another seed
    assert [title for title, reused in other.items() if not reused] == [
        "features of 8 train images", "features of 4 eval images",
    ]  # fmt: skip
    # Another image of the same size and with the same time stamp.
    victim, other = (root / "train/circles/000.jpg", root / "train/squares/000.jpg")
    stamp, size = victim.stat(), victim.stat().st_size
    data = other.read_bytes()[:size].ljust(size, b"\0")
    victim.write_bytes(data)
    os.utime(victim, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    run(path, folder, f"output={tmp_path}/replaced")
    run(path, 'cache.mode="off"', f"output={tmp_path}/plain")
    same_runs(tmp_path / "replaced", tmp_path / "plain")


def test_what_does_not_fit_is_computed_anew(tmp_path, images):
    path = write(tmp_path, images)
    run(path, 'cache.mode="off"', f"output={tmp_path}/off")
    _, notices = run(path, f"cache.dir={tmp_path}/cache", "cache.max_gb=0.00001")
    same_runs(tmp_path / "off", tmp_path / "run")
    assert sum("cache.max_gb allows 10 kB" in notice for notice in notices) == 3


@pytest.mark.parametrize(
    ("phases", "again"),
    [("features", False), ('[[phases]]\nname = "all"\nepochs = 3\nlr = 0.01', True)],
)
@pytest.mark.parametrize("augment", ["[]", '"none"'])
def test_images_that_nothing_changes_reach_a_gpu_as_they_are_stored(
    tmp_path, images, monkeypatch, phases, again, augment
):
    """Rehearsed on the CPU: the runs are the same. What trains on the pixels holds them from the
    second time on (``again``); each image is read once where the frozen stages see it once."""
    path, folder = write(tmp_path, images, phases, augment=augment), tmp_path / "cache"
    run(path, f"cache.dir={folder}/one", f"output={tmp_path}/one")
    streamed, resident = [], []

    def read(images, keys, threads, *, pin):
        streamed.append(len(images.labels))
        return stored_batches(images, keys, threads, pin=False)

    class Resident(ResidentPixels):
        def batches(self, images, keys):
            resident.append(len(images.labels))
            return super().batches(images, keys)

    def loaded(*_):
        pytest.fail("processes load images that are stored")

    monkeypatch.setattr(Loaders, "_pins", True)
    monkeypatch.setattr(Loaders, "_loader", loaded)
    monkeypatch.setattr("tlf.data.loader.stored_batches", read)
    monkeypatch.setattr("tlf.data.resident_pixels.ResidentPixels", Resident)
    run(path, f"cache.dir={folder}/other", f"output={tmp_path}/other")
    same_runs(tmp_path / "one", tmp_path / "other")
    assert len(streamed) == 2, "the train split and the eval split, once each"
    assert bool(resident) == again
