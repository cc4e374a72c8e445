"""A run that was stopped ends as if it had not been: bit for bit, wherever it was stopped."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parent.parent

RECIPE = """
batch_size = 4
accumulate = 2
clip_grad_norm = 1.0
output = "{output}"
checkpoint_every = {{ updates = 1 }}
[data]
kind = "folder"
root = "{root}"
[transforms]
size = 32
resize = 36
augment = ["crop-flip", "mixup"]
[backbone]
kind = "timm"
model = "test_resnet"
weights = "none"
[head]
kind = "linear"
dropout = 0.3
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.01
optimizer = {optimizer}
[[phases]]
name = "thaw"
freeze = {{ kind = "gradual", thaw = 2 }}
epochs = 3
lr = 0.003
layer_decay = 0.8
ema = 0.9
optimizer = {optimizer}
scheduler = {{ kind = "cosine", warmup = 0.2 }}
early_stopping = {{ patience = 2 }}
"""
KILLER = """
import os, sys
from pathlib import Path
import tlf.resuming.keeping
from tlf.running import run, resume
from tlf.results import Updated

# Die as by kill -9 after so many events, wherever that is.
left = int(sys.argv[2])
events = resume(Path(sys.argv[1])) if sys.argv[3] == "resume" else run(Path(sys.argv[1]))
for event in events:
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
"""


def write_recipe(folder, pictures, optimizer='"sgd"', name="recipe"):
    path = folder / f"{name}.toml"
    output = folder / name
    path.write_text(RECIPE.format(output=output, root=pictures, optimizer=optimizer))
    return path, output


def run_to_the_end(path):
    from tlf.running import run

    return list(run(path))


def killed_after(path, events, verb):
    command = [sys.executable, "-c", KILLER, str(path), str(events), verb]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False
    ).returncode


def assert_same(one: Path, other: Path):
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert not different
    assert figures(one) == figures(other)
    assert (one / "predictions.csv").read_text() == (other / "predictions.csv").read_text()


def figures(folder):
    from tlf.history import read_history

    return [
        (r.phase, r.epoch, r.train_loss, r.eval_loss, r.eval_top1, r.lr)
        for r in read_history(folder)
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, pictures):
    """A run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    path, output = write_recipe(folder, pictures)
    run_to_the_end(path)
    return output


@pytest.mark.parametrize("events", [3, 9, 15, 24])
def test_kill_9_and_go_on(tmp_path, pictures, whole, events):
    """In the head's phase, at the phase's edge, in the middle of an epoch, after a thaw."""
    path, output = write_recipe(tmp_path, pictures)
    assert killed_after(path, events, "run") == -signal.SIGKILL
    from tlf.running import resume

    list(resume(output))
    assert_same(whole, output)
    assert not (output / "resume").exists()


@pytest.mark.slow
def test_kill_9_at_thirty_random_moments(tmp_path, pictures, whole):
    """Killed from outside at random times, again and again, until it has ended; thirty kills."""
    moments, kills, number = random.Random(0), 0, 0
    while kills < 30:
        number += 1
        path, output = write_recipe(tmp_path, pictures, name=f"r{number}")
        verb, target = "run", path
        while not (output / "model.safetensors").exists():
            process = subprocess.Popen(
                [sys.executable, "-m", "tlf", verb, str(target)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                process.wait(timeout=moments.uniform(4, 14))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
            if (output / "resume" / "state.safetensors").exists():
                verb, target = "resume", output
        assert_same(whole, output)


@pytest.mark.parametrize(
    "optimizer",
    ['"adam"', '"adamw"', '{ kind = "timm", name = "lamb" }', '{ kind = "timm", name = "adan" }',
     '{ kind = "timm", name = "rmsproptf" }', '{ kind = "timm", name = "lion" }'],
)  # fmt: skip
def test_every_optimizer_goes_on(tmp_path, pictures, optimizer):
    one, first = write_recipe(tmp_path, pictures, optimizer, "one")
    other, second = write_recipe(tmp_path, pictures, optimizer, "other")
    run_to_the_end(one)
    stop_after(other, 20)
    from tlf.running import resume

    list(resume(second))
    assert_same(first, second)


def test_adaptive_policies_go_on(tmp_path, pictures):
    """A plateau schedule and a plateau thaw are functions of the history, which is stored."""
    outputs = []
    for name in ("one", "other"):
        path, output = write_recipe(tmp_path, pictures, name=name)
        text = path.read_text().replace(
            '{ kind = "gradual", thaw = 2 }', '{ kind = "plateau", patience = 1, thaw = 2 }'
        )
        text = text.replace(
            '{ kind = "cosine", warmup = 0.2 }', '{ kind = "plateau", patience = 1 }'
        )
        path.write_text(text.replace("patience = 2 }", "patience = 3 }"))
        outputs.append(output)
    run_to_the_end(tmp_path / "one.toml")
    stop_after(tmp_path / "other.toml", 20)
    from tlf.running import resume

    list(resume(outputs[1]))
    assert_same(*outputs)
    segments = [(output / "segments.jsonl").read_text() for output in outputs]
    assert segments[0] == segments[1]


def stop_after(path, updates):
    """Stop at an update as a signal does, and give what is said."""
    from tlf.errors import StoppedError
    from tlf.running import run

    try:
        for number, _ in enumerate(run(path)):
            if number == updates:
                os.kill(os.getpid(), signal.SIGTERM)
    except StoppedError as stopped:
        return str(stopped)
    raise AssertionError("the run was not stopped")


def test_a_signal_stops_the_run_and_says_how_to_go_on(tmp_path, pictures, whole, tlf):
    path, output = write_recipe(tmp_path, pictures)
    process = subprocess.Popen(
        [sys.executable, "-m", "tlf", str(path)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not (output / "resume").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip() == f"stopped by SIGINT; go on with: tlf resume {output}"
    finished = tlf("resume", output)
    assert finished.returncode == 0, finished.stderr
    assert_same(whole, output)
    again = tlf("resume", output)
    assert again.returncode == 2
    assert "has ended" in again.stderr


def test_the_same_recipe_with_resume(tmp_path, pictures, whole, tlf):
    path, output = write_recipe(tmp_path, pictures)
    stop_after(path, 12)
    finished = tlf(path, "--resume")
    assert finished.returncode == 0, finished.stderr
    assert_same(whole, output)


def test_a_changed_recipe_is_refused_unless_told(tmp_path, pictures, tlf):
    path, _ = write_recipe(tmp_path, pictures)
    stop_after(path, 12)
    refused = tlf(path, "--resume", "phases.thaw.lr=0.1")
    assert refused.returncode == 2
    assert "phases.1.lr was 0.003 and is 0.1" in refused.stderr
    assert "--changed" in refused.stderr
    assert tlf(path, "--resume", "--changed", "phases.thaw.lr=0.1").returncode == 0


def test_changed_pictures_are_refused(tmp_path, drawn, tlf):
    root = drawn(tmp_path / "pictures", 4, 2)
    path, output = write_recipe(tmp_path, root)
    stop_after(path, 4)
    pictures = sorted((root / "train" / "circles").iterdir())
    pictures[0].write_bytes(pictures[1].read_bytes())
    refused = tlf("resume", output)
    assert refused.returncode == 2
    assert "the pictures of the train split" in refused.stderr


def test_a_damaged_state_is_refused(tmp_path, pictures, tlf):
    path, output = write_recipe(tmp_path, pictures)
    stop_after(path, 4)
    state = output / "resume" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:5000])
    refused = tlf("resume", output)
    assert refused.returncode == 2
    assert "is damaged" in refused.stderr


def test_only_what_can_have_changed_is_stored(tmp_path, pictures):
    path, output = write_recipe(tmp_path, pictures)
    stop_after(path, 4)
    names = load_file(output / "resume" / "state.safetensors")
    assert {n.split("/")[2] for n in names if n.startswith("state/model/")} == {
        "head.weight",
        "head.bias",
    }


def test_a_full_disk_leaves_the_state_before_and_the_run_goes_on(tmp_path, pictures, monkeypatch):
    from tlf.results import Notice
    from tlf.resuming import state as module
    from tlf.running import run

    path, output = write_recipe(tmp_path, pictures)
    write, calls = module.save_file, []

    def fails_once(tensors, side, metadata):
        calls.append(side)
        if len(calls) == 3:
            Path(side).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(tensors, side, metadata)

    monkeypatch.setattr(module, "save_file", fails_once)
    notices = [e.text for e in run(path) if isinstance(e, Notice)]
    assert any("No space left on device" in text for text in notices)
    assert (output / "model.safetensors").exists()
