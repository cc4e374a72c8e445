"""Two real gloo processes do what one does."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
import torch
from safetensors.torch import load_file

from forks import run_together
from places import ROOT
from run_files import different_tensors, figures, metrics
from shapes import draw_shapes, shapes_recipe
from small import write_recipe
from tlf.inference.metadata import read_metadata

COMMON = """
[transforms]
size = 32
resize = 36
augment = ["crop-flip", "mixup"]
[optimizer]
kind = "sgd"
weight_decay = 0.01
"""
HEAD = """
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.05
"""
THAW = """
[[phases]]
name = "thaw"
freeze = [{ kind = "gradual", thaw = 2 }, "norms"]
epochs = 3
lr = 0.01
layer_decay = 0.8
sampler = "balanced"
scheduler = { kind = "cosine", warmup = 0.2 }
"""
RECIPE = COMMON + HEAD + THAW


def torchrun(processes, *words):
    return [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes),
        "--standalone", *map(str, words),
    ]  # fmt: skip


def command(processes, recipe, *overrides):
    return torchrun(processes, "-m", "tlf", recipe, *overrides)


def run_to_end(words):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    "count", [pytest.param(10, id="even", marks=pytest.mark.slow), pytest.param(9, id="uneven")]
)
def test_two_processes_equal_one(tmp_path, drawn, count):
    """20 images: 8 + 8 + 4; 18: 8 + 8 + 2. Eval of 11 or 10 is shared 6 + 5 or 5 + 5."""
    root = drawn(tmp_path / "images", count, 5)
    if count == 10:
        (root / "val" / "circles" / "odd.jpg").write_bytes(
            (root / "train" / "circles" / "000.jpg").read_bytes()
        )
    folders = []
    for processes in (1, 2):
        output = tmp_path / f"run{processes}"
        recipe = write_recipe(tmp_path / f"{processes}.toml", root, RECIPE, output.name)
        words = ["tlf", recipe, "phases.head.augment=crop-flip"]  # labels are not mixed
        printed = "".join(out for out, _ in run_together(processes, words, tmp_path))
        device = json.loads((output / "provenance.json").read_text())["hardware"]["device"]
        assert ("× 2 processes" in device) == (processes == 2)
        assert not output.with_name(f"{output.name}-2").exists()
        assert ("× 2 processes" in printed) == (processes == 2)
        assert printed.count("best ") == 1, "only one process prints"
        folders.append(output)
    one, two = map(metrics, folders)
    for first, second in zip(one, two, strict=True):
        for same in ("phase", "epoch", "updates", "lr"):
            assert first[same] == second[same]
        assert first["train_loss"] == pytest.approx(second["train_loss"], rel=1e-4)
        assert first["eval_loss"] == pytest.approx(second["eval_loss"], rel=1e-4)
        assert ("train_top1" in first) == ("train_top1" in second) == (first["phase"] == "head")
    # The last bits differ, so one of the images may be on the other side of the border.
    assert one[0]["train_top1"] == pytest.approx(two[0]["train_top1"], abs=0.06)
    first, second = (load_file(folder / "model.safetensors") for folder in folders)
    for name in first:
        assert torch.allclose(first[name], second[name], rtol=1e-3, atol=1e-5), name
    shown = [(folder / "predictions.csv").read_text().splitlines() for folder in folders]
    assert [row.split(",")[:2] for row in shown[0]] == [row.split(",")[:2] for row in shown[1]]


@pytest.mark.slow
def test_two_processes_equal_one_where_images_have_several_labels(tmp_path):
    table, found = draw_shapes(tmp_path, 18, 9), []
    phases = [
        {"name": "head", "freeze": "backbone", "epochs": 2, "lr": 0.05},
        {"name": "all", "epochs": 1, "lr": 0.01, "augment": ["crop-flip", "mixup"]},
    ]
    for processes in (1, 2):
        (folder := tmp_path / f"{processes}").mkdir()
        changes = {"phases": phases, "loss": "asymmetric", "calibration": 0.2}
        recipe = shapes_recipe(folder / "recipe.toml", table, changes)
        run_together(processes, ["tlf", recipe], folder)
        about = read_metadata(folder / "run" / "head.safetensors")
        found.append((metrics(folder / "run"), about.calibration))
    (one, first), (two, second) = found
    for mine, other in zip(one, two, strict=True):
        assert {"eval_map", "eval_macro_f1"} < {*mine}
        for name in ("train_loss", "eval_loss", "eval_map"):
            assert mine[name] == pytest.approx(other[name], rel=1e-3), name
        assert ("train_exact_match" in mine) == (mine["phase"] == "head")
    assert (first.source, first.images) == ("calibration", second.images)
    assert first.thresholds == pytest.approx(second.thresholds, abs=1e-3)


def to_all(launcher, number):
    """Send a signal to the launcher and its processes, each of which leads a group of its own."""
    parent = psutil.Process(launcher.pid)
    for process in [parent, *parent.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # the launcher may have ended it already
            process.send_signal(number)


STOPS = {
    "kill -9 of all": lambda launcher: to_all(launcher, signal.SIGKILL),
    "SIGTERM to all": lambda launcher: to_all(launcher, signal.SIGTERM),
    "SIGINT to the launcher": lambda launcher: launcher.send_signal(signal.SIGINT),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, images):
    """A run in two processes that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    run_together(2, ["tlf", write_resumable(folder, images)], folder)
    return folder / "run"


def write_resumable(folder, images):
    often = "checkpoint_every = { updates = 1 }\naccumulate = 2\n"
    return write_recipe(folder / "recipe.toml", images, often + RECIPE)


@pytest.mark.parametrize(
    "stop",
    [pytest.param(stop, marks=() if "kill" in stop else pytest.mark.slow) for stop in STOPS],
)
def test_two_processes_resume_bit_for_bit(tmp_path, images, whole, stop):
    path, folder = write_resumable(tmp_path, images), tmp_path / "run"
    launcher = subprocess.Popen(command(2, path), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    lines, deadline = folder / "metrics.jsonl", time.monotonic() + 200
    while not lines.exists() or len(lines.read_text().splitlines()) < 2:
        assert launcher.poll() is None, launcher.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    STOPS[stop](launcher)
    _, error = launcher.communicate(timeout=100)
    assert launcher.returncode != 0
    assert ("resume with: tlf resume" in error) == ("kill" not in stop)
    assert not (folder / "model.safetensors").exists()
    (printed, _), _ = run_together(2, ["tlf", "resume", folder], tmp_path)
    assert "× 2 processes" in printed
    assert different_tensors(whole / "model.safetensors", folder / "model.safetensors") == []
    assert figures(whole) == figures(folder)
    assert (whole / "predictions.csv").read_text() == (folder / "predictions.csv").read_text()


def test_two_processes_refuse_and_print_nothing_else(tmp_path, drawn):
    """Elsewhere, libraries count what they leak, and gloo's threads abort the interpreter's end."""
    root = drawn(tmp_path / "images", 4, 2)
    (root / "train" / "circles" / "000.jpg").write_bytes(b"no image")
    recipe = write_recipe(tmp_path / "recipe.toml", root, RECIPE)
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    # What a launcher sets; but it would end the second process once the first has left.
    environment = os.environ | {
        "MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
    }  # fmt: skip
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "tlf", recipe], cwd=ROOT, stderr=subprocess.PIPE, text=True,
            env=environment | {"RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]  # fmt: skip
    errors = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2], errors
    for error in errors:
        refused, image, instead = error.splitlines()
        assert refused == "error: train: 1 of 8 images cannot be read"
        assert "circles/000.jpg" in image
        assert "data.bad_images" in instead


@pytest.mark.slow
def test_no_thread_of_theirs_outlives_a_run(tmp_path, images):
    """Those of gloo can abort the interpreter's end: exit code -6 after a run that went well."""
    write_recipe(tmp_path / "recipe.toml", images, HEAD)
    script = tmp_path / "train.py"
    script.write_text(f"""
import os
from pathlib import Path
import tlf

for _ in tlf.run({str(tmp_path / "recipe.toml")!r}):
    pass
threads = Path("/proc/self/task").glob("*/comm")
Path(__file__).with_suffix("." + os.environ["RANK"]).write_text(
    " ".join(thread.read_text().strip() for thread in threads)
)
""")
    done = run_to_end(torchrun(2, script))
    assert done.returncode == 0, done.stderr
    for rank in "01":
        threads = script.with_suffix(f".{rank}").read_text()
        assert "python" in threads
        assert "gloo" not in threads


@pytest.mark.slow
def test_a_thaw_behind_the_engines_back_fails_the_run(tmp_path, images):
    """What happens elsewhere in silence: replicas drift when something is thawed after wrapping."""
    program = f"""
import sys
from pathlib import Path
from tlf.runs.run import run

from tlf.training.step import Updates
real = Updates.make
def thawing(updates, *rest):
    segment = updates.segment
    backbone = [*segment.classifier.backbone.parameters()]
    known = {{id(p) for group in segment.optimizer.param_groups for p in group["params"]}}
    for parameter in backbone:
        parameter.requires_grad_(True)
    if id(backbone[0]) not in known:
        group = {{"params": backbone, "names": [], "lr": 0.1, "base_lr": 0.1}}
        segment.optimizer.optimizer.add_param_group(group)
    return real(updates, *rest)
Updates.make = thawing
from tlf.errors import TlfError
try:
    list(run(Path({str(tmp_path / "recipe.toml")!r})))
except TlfError as error:
    print("ERROR", error)
    sys.exit(2)
"""
    write_recipe(tmp_path / "recipe.toml", images, COMMON + HEAD)
    script = tmp_path / "thaw.py"
    script.write_text(program)
    done = run_to_end(torchrun(2, script))
    assert done.returncode != 0
    assert "gradients were not averaged" in done.stdout or "was frozen and changed" in done.stdout
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.slow
def test_two_processes_stop_on_request_at_the_same_point(tmp_path, images, whole, tlf):
    path, folder = write_resumable(tmp_path, images), tmp_path / "run"
    launcher = subprocess.Popen(command(2, path), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines, deadline = folder / "metrics.jsonl", time.monotonic() + 200
    while not lines.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    done = tlf("stop", folder)
    assert (done.returncode, done.stderr) == (0, "")
    out, _ = launcher.communicate(timeout=100)
    assert launcher.returncode == 0
    assert out.count("stopped on request") == 1
    assert (folder / "model.safetensors").exists()
    run_together(2, ["tlf", "resume", folder], tmp_path)
    assert different_tensors(whole / "model.safetensors", folder / "model.safetensors") == []
    assert figures(whole) == figures(folder)
