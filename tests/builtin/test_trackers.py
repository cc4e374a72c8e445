"""The trackers that come with tlf, as their own readers find what was written: through a kill -9.

Each test needs the tracker's package, which tlf does not install.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from small import HEAD_ALONE, write_recipe
from stopped_runs import stop_after, write
from tlf.builtin.trackers import MLflow, TensorBoard, Trackio, Wandb, _mlflow_name, tlf_trackers
from tlf.errors import RunError
from tlf.events import Notice
from tlf.runs.history import read_history
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.testing import check_tracker
from tlf.trackers import TrackedRun

KILLED = """
import os, signal, sys
from tlf.results import EpochResult
from tlf.runs.run import run
epochs = (event for event in run(sys.argv[1], sys.argv[2:]) if isinstance(event, EpochResult))
for number, _ in enumerate(epochs, start=1):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
"""
STOPPED = HEAD_ALONE.replace("epochs = 1", "epochs = 3")
OFFERED = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": Wandb, "trackio": Trackio}


def test_the_trackers_are_offered_by_their_names():
    assert tlf_trackers() == OFFERED


def test_regular_expressions_are_names_that_mlflow_takes():
    assert _mlflow_name(r"phases.0.lr_matching.^(head|layer4)\.") == (
        "phases.0.lr_matching.__head_layer4__."
    )


@pytest.mark.parametrize("name", ["TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"])
def test_the_environment_sends_nothing_that_the_recipe_does_not(name, monkeypatch, tmp_path):
    monkeypatch.setenv(name, "somebody/space")
    with pytest.raises(ValueError, match=f"{name} must not be set .*; unset it, or write tracking"):
        Trackio().open(TrackedRun(str(tmp_path), "run", {}))


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No connection leaves this computer; trackio's folder is one of the test."""
    real, find, asked = socket.socket.connect, socket.getaddrinfo, []
    own = ("127.0.0.1", "::1", "localhost", socket.gethostname(), None)

    def connect(self, address):
        if self.family != socket.AF_UNIX and address[0] not in own:
            asked.append(address)
            raise OSError("no connection leaves this computer")
        return real(self, address)

    def getaddrinfo(host, *rest, **options):
        if host not in own:
            asked.append(host)
            raise OSError("no name is looked up")
        return find(host, *rest, **options)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")  # with which its owner would be asked for
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    yield
    assert asked == []


def tensorboard_found(folder, note):
    """Step → figures, as TensorBoard shows them; how often each step is there."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder / note["id"]))
    read.Reload()
    return [(one.step, name, one.value) for name in read.Tags()["scalars"]
            for one in read.Scalars(name)]  # fmt: skip


def mlflow_found(folder, note):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{folder.parent / 'mlflow.db'}")
    found = client.get_run(note["id"])
    assert found.info.status == "FINISHED"
    assert found.data.params["phases.0.lr"] == "0.1"
    return [(one.step, name, one.value) for name in found.data.metrics
            for one in client.get_metric_history(note["id"], name)]  # fmt: skip


def trackio_found(folder, note):
    import trackio

    rows = trackio.SQLiteStorage.get_logs("tlf", note["id"])
    return [(row["step"], name, value) for row in rows for name, value in row.items()
            if name not in ("step", "timestamp")]  # fmt: skip


def leveldb_records(log):
    """The records of a log of LevelDB: in blocks of 32 KiB, whole or in parts."""
    place, data = 0, b""
    while place + 7 <= len(log):
        if (32768 - (place + 7) % 32768) % 32768 < 7:  # the file begins with 7 bytes of its own
            place += (32768 - (place + 7) % 32768) % 32768
        length, part = int.from_bytes(log[place + 4 : place + 6], "little"), log[place + 6]
        data += log[place + 7 : place + 7 + length]
        place += 7 + length
        if part in (1, 4):  # whole, or the last part
            yield data
            data = b""


def wandb_found(folder, note):
    """What the last process wrote for ``wandb sync``."""
    from wandb.proto import wandb_internal_pb2

    found = []
    *_, path = sorted(folder.glob(f"wandb/offline-run-*-{note['id']}/*.wandb"))
    for data in leveldb_records(path.read_bytes()[7:]):
        record = wandb_internal_pb2.Record.FromString(data)
        items = {"/".join(item.nested_key) or item.key: json.loads(item.value_json)
                 for item in record.history.item}  # fmt: skip
        found += [(items["_step"], name, figure) for name, figure in items.items()
                  if not name.startswith("_")]  # fmt: skip
    return found


READERS = {
    "tensorboard": tensorboard_found,
    "mlflow": mlflow_found,
    "trackio": trackio_found,
    "wandb": wandb_found,
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of the trackers' packages
@pytest.mark.parametrize("kind", READERS)
def test_a_killed_run_is_taken_up_and_each_epoch_is_there_once(kind, tmp_path, drawn, offline):
    pytest.importorskip(OFFERED[kind].packages[0], reason=f"{kind} is not installed")
    path = write_recipe(
        tmp_path / "recipe.toml", drawn(tmp_path / "images", 4, 2), HEAD_ALONE, output="runs/mine"
    )
    options = ["phases.0.epochs=5", f"tracking={{kind='{kind}'}}", "checkpoint_every.updates=2"]
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False,
        cwd=tmp_path, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    (folder,) = {path.parent for path in tmp_path.rglob("tracking.json")}
    before = json.loads((folder / "tracking.json").read_text())
    assert before["epochs"] in (2, 3)  # the third is on its way
    notices = [event.text for event in resume(folder) if isinstance(event, Notice)]
    assert [text for text in notices if "tracking" in text] == []
    note = json.loads((folder / "tracking.json").read_text())
    assert (note["id"], note["epochs"]) == (before["id"], 5)
    found = READERS[kind](folder, note)
    history = [*read_history(folder)]
    assert [step for step, name, _ in found if name == "train_loss"] == [1, 2, 3, 4, 5]
    for figure in ("train_loss", "eval_loss", "lr", "eval_top1"):
        logged = [value for _, name, value in found if name == figure]
        assert logged == pytest.approx([getattr(one, figure) for one in history], rel=1e-6)
    rates = [value for _, name, value in found if name == "stages/head/lr"]
    assert rates == pytest.approx([one.stages["head"].lr for one in history])
    assert [step for step, name, _ in found if name == "best/eval_loss"] == [5]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", READERS)
def test_each_keeps_the_contract(kind, tmp_path, offline):
    pytest.importorskip(OFFERED[kind].packages[0], reason=f"{kind} is not installed")
    check_tracker(OFFERED[kind]())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_is_told_that_a_run_failed_and_that_one_was_stopped(tmp_path, offline):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    uri = f"sqlite:///{tmp_path / 'own.db'}"
    before = mlflow.get_tracking_uri()
    statuses = {}
    for outcome in ("failed", "stopped", "finished"):
        opened = MLflow(uri=uri).open(TrackedRun(str(tmp_path / "run"), outcome, {"seed": 0}))
        opened.end(outcome)
        statuses[outcome] = mlflow.MlflowClient(uri).get_run(opened.id).info.status
    assert statuses == {"failed": "FAILED", "stopped": "KILLED", "finished": "FINISHED"}
    assert mlflow.get_tracking_uri() == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_run_is_the_same_to_the_last_bit_with_and_without_a_tracker(tmp_path, drawn, offline):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    path = write_recipe(tmp_path / "recipe.toml", drawn(tmp_path / "images", 4, 2), HEAD_ALONE)
    models = []
    for name, extra in (("with", ["tracking={kind='tensorboard'}"]), ("without", [])):
        *_, result = run(path, [f"output={tmp_path / name}", *extra])
        models.append(Path(result.folder, "model.safetensors").read_bytes())
    assert models[0] == models[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_run_that_was_stopped_can_be_resumed_with_a_tracker(tmp_path, drawn, offline):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    path, folder = write(tmp_path, drawn(tmp_path / "images", 4, 2), text=STOPPED)
    stop_after(path, 5)
    [*resume(folder, ["tracking.kind=tensorboard"])]
    found = tensorboard_found(folder, json.loads((folder / "tracking.json").read_text()))
    history = [*read_history(folder)]
    assert [step for step, name, _ in found if name == "eval_loss"] == [1, 2, 3]
    assert len(history) == 3
    assert "earlier" not in json.loads((folder / "provenance.json").read_text())  # no change


def test_a_run_whose_tracker_is_not_installed_leaves_no_folder(tmp_path, images, monkeypatch):
    path = write_recipe(tmp_path / "recipe.toml", images, HEAD_ALONE)
    monkeypatch.setattr(MLflow, "packages", ("not_there",))
    with pytest.raises(RunError, match='"mlflow" must be installed, got no'):
        next(run(path, ["tracking={kind='mlflow'}"]))
    assert not (tmp_path / "run").exists()
