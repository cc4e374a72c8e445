"""A run whose numbers are no longer finite stops, and what was sound is kept and can go on."""

import json

import pytest
from safetensors.torch import load_file

from run_files import metrics
from small import write_recipe
from tlf.errors import NotFiniteError
from tlf.events import Notice
from tlf.results import EpochResult
from tlf.runs.resume import resume
from tlf.runs.run import run

HEAD = """
[[phases]]
name = "head"
freeze = "backbone"
epochs = 2
lr = 0.01
"""
WILD = """
[[phases]]
name = "wild"
epochs = 1
lr = 1e20
"""
EVERY_UPDATE = "checkpoint_every = { updates = 1 }\n"


def write(tmp_path, images, text):
    return write_recipe(tmp_path / "recipe.toml", images, text), tmp_path / "run"


def stop(path, *overrides):
    with pytest.raises(NotFiniteError) as caught:
        list(run(path, overrides))
    return str(caught.value)


def stored(folder):
    tensors = load_file(folder / "resume" / "state.safetensors")
    return [tensor for tensor in tensors.values() if tensor.is_floating_point()]


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


@pytest.mark.parametrize("settings", ["", EVERY_UPDATE])
def test_the_phases_before_are_kept_and_go_on_with_a_lower_rate(tmp_path, images, settings):
    path, folder = write(tmp_path, images, settings + HEAD + WILD)
    message = stop(path)
    assert "must be finite, got " in message
    assert "in phase wild, epoch 1; write a lower lr" in message
    command = f"tlf resume {folder} phases.1.lr=…"
    assert message.endswith(f"the run's last sound state is stored: go on from it with {command}")
    before = (folder / "metrics.jsonl").read_text()
    assert [line["phase"] for line in strict(before)] == ["head", "head"]
    assert all(tensor.isfinite().all() for tensor in stored(folder))
    events = list(resume(folder, ["phases.1.lr=1e-3"]))
    assert [e.phase for e in events if isinstance(e, EpochResult)] == ["wild"]
    assert (folder / "metrics.jsonl").read_text().startswith(before)
    assert strict((folder / "metrics.jsonl").read_text())[-1]["phase"] == "wild"


class Breaks:
    """A loss that is not finite from some call on. The first call is a trial before training."""

    def __init__(self, at):
        self.calls, self.at = 0, at

    def __call__(self, logits, labels):
        self.calls += logits.requires_grad
        return logits.sum(1).abs() * (1.0 if self.calls < self.at else float("nan"))


def breaking(monkeypatch, at):
    loss = Breaks(at)
    monkeypatch.setattr("tlf.builtin.losses.CrossEntropy.build", lambda self, counts: loss)


@pytest.mark.parametrize("settings", ["", EVERY_UPDATE])
def test_the_best_sound_epoch_of_the_phase_is_kept(tmp_path, images, monkeypatch, settings):
    """Of three updates in the third epoch the second breaks. What it follows is not trusted."""
    text = settings + HEAD.replace("epochs = 2", "epochs = 4") + "early_stopping = { patience = 4 }"
    path, folder = write(tmp_path, images, text)
    breaking(monkeypatch, at=9)
    message = stop(path, "monitor=train_loss")
    assert message.startswith("the loss of update 2 must be finite, got nan in phase head, epoch 3")
    assert len(metrics(folder)) == 2
    assert all(tensor.isfinite().all() for tensor in stored(folder))
    monkeypatch.undo()
    results = [e for e in resume(folder) if isinstance(e, EpochResult)]
    assert [result.epoch for result in results] in ([2, 3], [1, 2, 3])
    assert [line["epoch"] for line in metrics(folder)] == [0, 1, 2, 3]


def test_in_the_first_epoch_there_is_nothing_sound_to_keep(tmp_path, images, monkeypatch):
    path, folder = write(tmp_path, images, EVERY_UPDATE + HEAD)
    breaking(monkeypatch, at=3)
    assert stop(path).endswith('or precision = "no"')
    assert not (folder / "resume").exists()
    monkeypatch.undo()
    *_, result = resume(folder)
    assert len(result.history) == 2


def test_an_evaluation_that_is_not_finite_counts_nothing(tmp_path, images, monkeypatch):
    from tlf.training import evaluation

    gathered = evaluation._gathered

    def broken(*arguments):
        predictions = gathered(*arguments)
        predictions.logits[3, 1] = float("nan")
        return predictions

    monkeypatch.setattr(evaluation, "_gathered", broken)
    path, folder = write(tmp_path, images, HEAD)
    expected = r"^the logits of \S+ must be finite, got nan in phase head, epoch 1; write"
    with pytest.raises(NotFiniteError, match=expected):
        list(run(path))
    assert not (folder / "metrics.jsonl").exists()
    assert not (folder / "model.safetensors").exists()


def test_what_the_optimizer_keeps_is_checked_where_it_is_stored(tmp_path, images, monkeypatch):
    """Squares of gradients overflow in float32 before the gradients do."""
    from tlf.builtin.losses import CrossEntropy

    build = CrossEntropy.build
    monkeypatch.setattr(
        CrossEntropy, "build", lambda self, counts: lambda *a: build(self, counts)(*a) * 1e23
    )
    monkeypatch.setattr("tlf.training.epoch.measured_updates", lambda updates: frozenset())
    path, folder = write(tmp_path, images, EVERY_UPDATE + HEAD)
    message = stop(path, "optimizer=adam")
    assert message.startswith("exp_avg_sq of head.")
    assert not (folder / "resume").exists()


def test_a_run_that_is_worse_than_a_guess_says_so(tmp_path, images):
    path, folder = write(tmp_path, images, HEAD.replace("0.01", "1e7"))
    notices = [e.text for e in run(path) if isinstance(e, Notice)]
    (told,) = [text for text in notices if "is worse than that of a constant guess, 0.6931" in text]
    assert told.endswith("write a lower lr, or train longer")
    assert strict((folder / "metrics.jsonl").read_text())
