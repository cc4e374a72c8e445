"""The last state of a run, in a file."""

import json
import os
import random
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from run_files import different_tensors
from stopped_runs import stop_after, write
from tlf.builtin.optimizers import Sgd
from tlf.errors import RunError, TrainingError
from tlf.recipe.plan import read_plan
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.runtime.devices import start_accelerator
from tlf.runtime.seal import seal
from tlf.training.checkpoint.state_file import _apart, discard, restore, save, state_file
from tlf.training.job import open_job


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, images):
    """The folder of a run that was stopped in an epoch of its second phase, which averages weights.

    Nobody may change it.
    """
    path, output = write(tmp_path_factory.mktemp("stopped"), images)
    stop_after(path, 14)
    return output


@pytest.fixture
def copied(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / "copied")


def reopened(folder):
    job = open_job(read_plan(folder / "recipe.toml"), start_accelerator("no"))
    manifests = json.loads((folder / "provenance.json").read_text())["data_sha256"]
    return replace(job, manifests=manifests)


def text_of(path):
    """The JSON of a state, read without tlf."""
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["tlf"])


def edit(path, change):
    """Write a state with another JSON, sealed as if it had been so from the start."""
    text = text_of(path) | {"file_sha256": "0" * 64}
    change(text)
    save_file(load_file(path), path, metadata={"tlf": json.dumps(text)})
    seal(path)


def test_a_restored_state_is_stored_again_bit_for_bit(stopped, copied):
    """Tensors, optimizer, averages, history and best epochs."""
    job = reopened(copied)
    state = restore(state_file(copied), job)
    assert {*state.ema.tensors} == {*state.segment.rates}
    assert (state.phase, state.losses.done) == (1, 4 * state.update)
    save(state_file(copied), job, state)
    assert text_of(state_file(copied)) == text_of(state_file(stopped))
    assert different_tensors(state_file(copied), state_file(stopped)) == []


def test_the_scale_of_fp16_and_what_was_skipped_come_back(copied):
    job = reopened(copied)
    state = restore(state_file(copied), job)
    job.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=32.0, growth_interval=7)
    job.accelerator.scaler.load_state_dict(
        {**job.accelerator.scaler.state_dict(), "_growth_tracker": 5}
    )
    state.skipped = 1
    save(state_file(copied), job, state)
    other = reopened(copied)
    other.accelerator.scaler = torch.amp.GradScaler("cpu")
    assert restore(state_file(copied), other).skipped == 1
    expected = job.accelerator.scaler.state_dict()
    assert other.accelerator.scaler.state_dict() == expected
    assert (expected["scale"], expected["_growth_tracker"]) == (32.0, 5)


def test_what_was_correct_comes_back_where_it_is_known(copied):
    path, job = state_file(copied), reopened(copied)
    state = restore(path, job)
    state.losses.correct, state.losses.classified = 3, 5
    save(path, job, state)
    again = restore(path, reopened(copied)).losses
    assert (again.correct, again.classified) == (3, 5)
    edit(path, lambda text: text.pop("correct"))  # as an older tlf stored it
    older = restore(path, reopened(copied)).losses
    assert (older.correct, older.classified, older.done) == (0, 0, again.done)


def test_averages_are_stored_unswapped_during_an_evaluation(stopped, copied):
    job = reopened(copied)
    state = restore(state_file(copied), job)
    with state.ema.inside(job.classifier):
        save(state_file(copied), job, state)
    assert different_tensors(state_file(copied), state_file(stopped)) == []


def test_only_tensors_that_may_have_changed_are_stored(tmp_path, images):
    path, output = write(tmp_path, images)
    stop_after(path, 4)
    names = load_file(output / "resume" / "state.safetensors")
    assert {n.split("/")[2] for n in names if n.startswith("state/model/")} == {
        "head.weight",
        "head.bias",
    }


def test_a_damaged_state_is_refused(copied):
    state = state_file(copied)
    state.write_bytes(state.read_bytes()[:5000])
    with pytest.raises(RunError, match=r"is damaged: .*; start a new run"):
        list(resume(copied))


def test_a_state_damaged_anywhere_is_refused(copied):
    """In the tensors, too, where safetensors notices nothing."""
    state = state_file(copied)
    whole, rng = state.read_bytes(), random.Random(0)
    first_tensor = 8 + int.from_bytes(whole[:8], "little")
    places = [first_tensor, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(60))]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        state.write_bytes(damaged)
        with pytest.raises(RunError) as caught:
            restore(state, SimpleNamespace())
        assert str(state) in str(caught.value)
        assert str(caught.value).endswith("; start a new run")
    for cut in (0, 7, 8, first_tensor, len(whole) - 1):
        state.write_bytes(whole[:cut])
        with pytest.raises(RunError, match=r"is damaged: .*; start a new run"):
            restore(state, SimpleNamespace())


@pytest.mark.parametrize(
    "put",
    [os.mkdir, os.mkfifo, lambda path: path.symlink_to("gone")],
    ids=["folder", "pipe", "link"],
)
def test_a_state_that_cannot_be_read_is_named(copied, put):
    state, lines = state_file(copied), (copied / "metrics.jsonl").read_bytes()
    state.unlink()
    put(state)
    with pytest.raises(RunError, match=r"cannot read .*state\.safetensors: "):
        list(resume(copied))
    assert (copied / "metrics.jsonl").read_bytes() == lines


def test_a_state_of_another_format_is_refused(copied):
    edit(state_file(copied), lambda text: text.update(format=1))
    with pytest.raises(RunError, match=r"the format of .* must be 4, got 1; start a new run"):
        restore(state_file(copied), SimpleNamespace())


def test_another_number_of_processes_is_refused(copied):
    edit(state_file(copied), lambda text: text.update(losses=[0.0, 0.0]))
    expected = "the number of processes must be 2, as when the run was stopped, got 1; start 2"
    with pytest.raises(RunError, match=expected):
        restore(state_file(copied), SimpleNamespace(accelerator=SimpleNamespace(num_processes=1)))


def test_other_weights_of_the_backbone_are_refused(copied):
    job = reopened(copied)
    name = next(n for n in job.classifier.backbone_names if n.startswith("backbone.bn1"))
    with torch.no_grad():
        job.classifier.get_parameter(name).add_(1)
    expected = rf"{name} must be the same as when the run was started, and differs"
    with pytest.raises(RunError, match=expected):
        restore(state_file(copied), job)


def test_the_state_of_a_finished_run_is_removed(copied):
    discard(copied)
    assert not state_file(copied).parent.exists()
    discard(copied)


def test_a_file_of_somebody_else_beside_the_state_stays(copied):
    other = state_file(copied).with_name("mine.txt")
    other.touch()
    discard(copied)
    assert [*other.parent.iterdir()] == [other]


def test_an_optimizer_whose_state_no_file_can_hold_is_named(tmp_path, images, monkeypatch):
    build = Sgd.build

    def keeping_a_function(self, groups):
        optimizer = build(self, groups)
        optimizer.param_groups[0]["closure"] = print
        return optimizer

    monkeypatch.setattr(Sgd, "build", keeping_a_function)
    path, _ = write(tmp_path, images)
    with pytest.raises(TrainingError, match=r"optimizer 'sgd': .*closure holds a builtin_function"):
        list(run(path))


def test_only_tensors_that_share_memory_are_copied():
    """safetensors refuses those, and the logits of very many images are large."""
    logits, shared = torch.rand(8, 3), torch.arange(6.0)
    given = {
        "logits": logits, "one": shared, "other": shared, "part": logits[:4], "turned": logits.T,
        "wide": torch.rand(2, 4, 3, 3).contiguous(memory_format=torch.channels_last),
    }  # fmt: skip
    found = _apart(given)
    assert all(torch.equal(found[name], tensor) for name, tensor in given.items())
    assert all(tensor.is_contiguous() for tensor in found.values())
    assert len({tensor.untyped_storage().data_ptr() for tensor in found.values()}) == len(given)
    assert found["logits"].data_ptr() == logits.data_ptr()
