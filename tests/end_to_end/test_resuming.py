"""A run that was stopped ends as if it had not been: bit for bit, wherever it was stopped."""

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from safetensors import safe_open
from timm.optim import list_optimizers

from places import ROOT
from run_files import different_tensors
from stopped_runs import COMMON, HEAD_ALONE, RECIPE, stop_after, write
from tlf.builtin.optimizers import tlf_optimizers
from tlf.builtin.schedulers import tlf_schedulers
from tlf.events import Updated
from tlf.inference.head import load_head
from tlf.inference.predict import load_classifier
from tlf.runs.folder import RunStarted
from tlf.runs.history import read_history
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.runtime.stored.state import UnfinishedRunWarning


class KilledRuns:
    """Starts runs in processes that begin at once, and kills them."""

    def __init__(self):
        program = [sys.executable, str(ROOT / "tests" / "killed_runs.py")]
        self.server = subprocess.Popen(
            program, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def start(self, *words):
        """Begin, and give the process id."""
        self.server.stdin.write(" ".join(map(str, words)) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())

    def status(self):
        return int(self.server.stdout.readline())

    def whole(self, *words):
        """Run to the end, or to where it kills itself."""
        self.start(*words)
        return self.status()

    def killed_at(self, moment, folder, *words):
        """Kill it so many seconds after it has begun to write, if it still runs then."""
        process = self.start(*words)
        wait_for(folder / "recipe.toml")
        ended = select.select([self.server.stdout], [], [], moment)[0]
        if not ended:
            with suppress(ProcessLookupError):  # it may have ended at this very moment
                os.kill(process, signal.SIGKILL)
        return self.status()

    def end(self):
        self.server.stdin.close()
        self.server.stdout.close()
        assert self.server.wait(timeout=60) == 0


def wait_for(path):
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def runs():
    runs = KilledRuns()
    yield runs
    runs.end()


def timms(name):
    """The optimizer as a recipe has it."""
    return f'{{ kind = "timm", name = "{name}" }}'


def assert_same(one: Path, other: Path):
    for name in ("model.safetensors", "head.safetensors"):
        assert different_tensors(one / name, other / name) == []
    assert figures(one) == figures(other)
    assert learnt(one) == learnt(other)
    for name in ("predictions.csv", "segments.jsonl"):
        assert (one / name).read_text() == (other / name).read_text()


def learnt(folder):
    """What is known of a model besides its weights."""
    about = load_head(folder / "head.safetensors").metadata
    return about.metrics, about.calibrated, about.unlike


def figures(folder):
    return [
        (r.phase, r.epoch, r.train_loss, r.train_metrics, r.eval_loss, r.eval_top1, r.lr)
        for r in read_history(folder)
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, images):
    """A run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    path, output = write(folder, images)
    list(run(path))
    return output


POINTS = [
    ("before-recipe", 1), ("before-update", 4), ("before-evaluation", 1), ("before-choice", 1),
    ("amid-state", 7), ("before-rename", 12), ("before-thaw", 3), ("before-metrics", 4),
    ("before-audit", 4), ("before-head", 1), ("before-predictions", 1), ("before-model", 1),
]  # fmt: skip
MORE = [
    ("before-update", 1), ("before-metrics", 1), ("before-audit", 1), ("before-thaw", 2),
    ("before-update", 8), ("amid-state", 1), ("before-audit", 3), ("before-evaluation", 4),
]  # fmt: skip


@pytest.mark.parametrize(
    ("point", "number"), [*POINTS, *(pytest.param(*each, marks=pytest.mark.slow) for each in MORE)]
)
def test_killed_at_a_point_and_resumed(tmp_path, images, whole, runs, point, number):
    """In the middle of writing a state, at the edges of epochs, segments and phases, at the end."""
    path, output = write(tmp_path, images)
    assert runs.whole("run", path, point, number) == -signal.SIGKILL
    assert resume_or_begin(runs, path, output) == 0
    assert_same(whole, output)
    assert {file.name for file in output.iterdir()} == {file.name for file in whole.iterdir()}


def test_killed_when_all_but_the_state_is_written(tmp_path, images, whole, runs, main):
    path, output = write(tmp_path, images, text=f"keep_state = false\n{RECIPE}")
    assert runs.whole("run", path, "before-discard", 1) == -signal.SIGKILL
    assert_same(whole, output)
    assert main("resume", output)[0] == 0  # the state is from before the end
    assert_same(whole, output)
    assert not (output / "resume").exists()
    code, _, err = main("resume", output)
    assert code == 2
    assert "has ended" in err


@pytest.mark.parametrize(
    "point",
    ["before-predictions",
     *(pytest.param(f"before-{p}", marks=pytest.mark.slow) for p in ("audit", "head", "model"))],
)  # fmt: skip
def test_killed_while_it_stops_on_request_and_resumed(tmp_path, images, whole, runs, point):
    path, output = write(tmp_path, images)
    assert runs.whole("stop", path, point, 2 if point == "before-audit" else 1) == -signal.SIGKILL
    assert stored(output)[0] == 1
    with warnings.catch_warnings(action="ignore", category=UnfinishedRunWarning):
        assert load_classifier(output).labels == ("circles", "squares")
    assert runs.whole("resume", output) == 0
    assert_same(whole, output)


def resume_or_begin(runs, path, output, *more):
    """Resume the run, or begin anew where it was killed before it had begun."""
    if (output / "recipe.toml").exists():
        return runs.whole("resume", output, *more)
    if output.exists():
        shutil.rmtree(output)
    return runs.whole("run", path, *more)


@pytest.mark.slow
def test_killed_at_thirty_random_moments(tmp_path, images, whole, runs):
    """Killed from outside, some of them again and again; only kills that hit a run are counted."""
    path, output = write(tmp_path, images, "length")
    begun = wait_until_written(runs, output, "run", path)
    assert runs.status() == 0
    length, moments, kills, hits = time.monotonic() - begun, random.Random(0), 0, set()
    for number in range(100):
        path, output = write(tmp_path, images, f"r{number}")
        words = ("run", path)
        for _ in range(moments.choice((1, 2))):
            if (output / "model.safetensors").exists():
                break
            status = runs.killed_at(moments.uniform(0, length), output, *words)
            assert status in (0, -signal.SIGKILL)
            kills += status != 0
            hits.add(stored(output))
            words = ("resume", output)
        if not (output / "model.safetensors").exists():
            assert runs.whole(*words) == 0
        assert_same(whole, output)
        if kills >= 30:
            assert len(hits) >= 5, "all hit at the same places"
            return
    raise AssertionError(f"only {kills} kills hit")


CALIBRATED = {
    "calibration = 0.2": HEAD_ALONE.replace('"backbone"', '"norms"'),
    'calibration = "out-of-fold"': HEAD_ALONE,
}
"""How a model is calibrated → the rest of the recipe."""


@pytest.mark.slow
@pytest.mark.parametrize("calibration", CALIBRATED)
def test_a_calibrated_run_is_killed_and_trained_further(tmp_path, images, runs, calibration):
    """What is learnt besides the weights is the same, too; so it is after further epochs."""
    more = 'unlike = true\nmetrics = ["macro-f1", "balanced-accuracy"]'
    text, longer = f"{calibration}\n{more}\n{CALIBRATED[calibration]}", ["phases.head.epochs=4"]
    (short, one), (long, further), (path, output) = (
        write(tmp_path, images, name, text) for name in ("short", "long", "killed")
    )
    list(run(short))
    list(run(long, longer))
    assert runs.whole("run", path, "before-update", 3) == -signal.SIGKILL
    assert runs.whole("resume", output, "before-head", 1) == -signal.SIGKILL
    assert runs.whole("resume", output) == 0
    assert_same(one, output)
    list(resume(output, longer))
    assert_same(further, output)


def stored(output):
    """Phase, epoch and update of the state that a killed run has left."""
    path = output / "resume" / "state.safetensors"
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        text = json.loads(file.metadata()["tlf"])
    return text["phase"], text["epoch"], text["update"]


def wait_until_written(runs, output, *words):
    runs.start(*words)
    wait_for(output / "recipe.toml")
    return time.monotonic()


SHORT = """
[[phases]]
name = "thaw"
freeze = { kind = "gradual", thaw = 2 }
epochs = 3
lr = 1e-3
layer_decay = 0.8
"""


def check_resuming_in_the_middle(folder, images, optimizer='"sgd"', scheduler='"constant"'):
    """Copy the folder of a run in the middle of its second epoch, after a thaw; resume there."""
    text = COMMON + SHORT + f"optimizer = {optimizer}\nscheduler = {scheduler}\n"
    (path, output), copy = write(folder, images, text=text), folder / "copy"
    for event in run(path):
        # The state of an update is stored when the event after it is asked for.
        if isinstance(event, Updated) and position(event) == (1, 3, False):
            shutil.copytree(output, copy)
    started = next(event for event in [*resume(copy)] if isinstance(event, RunStarted))
    assert started.epochs == 1
    assert_same(output, copy)


def position(event):
    return event.progress.epoch, event.progress.update, event.evaluating


KINDS = [
    '{ kind = "sgd", nesterov = true, weight_decay = 0.1 }', '"adamw"', timms("adan"),
    pytest.param('"adam"', marks=pytest.mark.slow),
]  # fmt: skip
# What a name of timm's needs that others do not: a GPU or another package, second derivatives, a
# compiler.
APART = ("bnb", "fused", "adahessian", "kron")


@pytest.mark.parametrize("optimizer", KINDS)
def test_every_optimizer_resumes(tmp_path, images, optimizer):
    check_resuming_in_the_middle(tmp_path, images, optimizer)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in list_optimizers() if not n.startswith(APART)])
def test_every_optimizer_of_timms_resumes(tmp_path, images, name):
    check_resuming_in_the_middle(tmp_path, images, timms(name))


@pytest.mark.parametrize(
    "scheduler",
    ['"constant"', '{ kind = "linear", warmup = 0.5 }', '"cosine"', '"step"', '"one-cycle"',
     '{ kind = "plateau", patience = 1 }'],
)  # fmt: skip
def test_every_scheduler_resumes(tmp_path, images, scheduler):
    check_resuming_in_the_middle(tmp_path, images, scheduler=scheduler)


def test_the_schedulers_and_optimizers_tried_are_all_that_there_are():
    assert {*tlf_schedulers()} == {"constant", "linear", "cosine", "step", "one-cycle", "plateau"}
    assert {*tlf_optimizers()} == {"sgd", "adam", "adamw", "timm"}


def test_adaptive_policies_resume(tmp_path, images):
    """A plateau schedule and a plateau thaw are functions of the history, which is stored."""
    text = RECIPE.replace('"gradual", thaw = 2 }', '"plateau", patience = 1, thaw = 2 }')
    text = text.replace('"cosine", warmup = 0.2 }', '"plateau", patience = 1 }')
    text = text.replace("patience = 2 }", "patience = 3 }")
    outputs = [write(tmp_path, images, name, text)[1] for name in ("one", "other")]
    list(run(tmp_path / "one.toml"))
    stop_after(tmp_path / "other.toml", 20)
    list(resume(outputs[1]))
    assert_same(*outputs)
    segments = [(output / "segments.jsonl").read_text() for output in outputs]
    assert segments[0] == segments[1]


def test_a_signal_stops_the_run_and_says_how_to_resume(tmp_path, images, whole, tlf):
    path, output = write(tmp_path, images)
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
    assert error.strip() == f"stopped by SIGINT; resume with: tlf resume {output}"
    finished = tlf("resume", output)
    assert finished.returncode == 0, finished.stderr
    assert_same(whole, output)
    again = tlf("resume", output)
    assert again.returncode == 2
    assert "has ended" in again.stderr
