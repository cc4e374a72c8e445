"""A stored state, and a recipe or images that have changed since: what does not fit is named."""

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from stopped_runs import RECIPE, stop_after, write
from tlf.errors import RunError
from tlf.events import Notice
from tlf.recipe.plan import read_plan
from tlf.results import EpochResult
from tlf.runs.resume import resume
from tlf.runtime.devices import start_accelerator
from tlf.training.checkpoint.compatibility import depends
from tlf.training.checkpoint.state_file import restore, state_file
from tlf.training.job import open_job
from tlf.training.state import State


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, images):
    """The folder of a run, stopped in an epoch of its second phase. Nobody may change it."""
    path, output = write(tmp_path_factory.mktemp("stopped"), images)
    stop_after(path, 14)
    return output


def reopened(folder, *overrides, **manifests):
    job = open_job(read_plan(folder / "recipe.toml", overrides), start_accelerator("no"))
    before = json.loads((folder / "provenance.json").read_text())["data_sha256"]
    return replace(job, manifests=before | manifests)


def restored(folder, *overrides, **manifests):
    return restore(state_file(folder), reopened(folder, *overrides, **manifests))


@pytest.fixture
def three_classes(images, tmp_path):
    root = Path(shutil.copytree(images, tmp_path / "three"))
    for split in ("train", "val"):
        shutil.copytree(root / split / "circles", root / split / "rings")
    return f"data.root={root}"


def refused(folder, *overrides, told, **manifests):
    with pytest.raises(RunError) as caught:
        restored(folder, *overrides, **manifests)
    first, *lines, last = str(caught.value).splitlines()
    assert first == "the run's stored state does not fit its recipe and images:"
    assert last == "undo the changes, or start a new run"
    assert [line.strip() for line in lines] == told


@pytest.mark.parametrize(
    ("change", "now"),
    [
        ('phases=[{name="head", epochs=1, lr=0.1}]', "head"),
        ('phases.1.name="melt"', "head, melt"),
        ('phases=[{name="thaw", epochs=1, lr=0.1}, {name="head", epochs=1, lr=0.1}]', "thaw, head"),
    ],
)
def test_the_phases_that_have_begun_stay(stopped, change, now):
    must = "the run has begun the phases head, thaw; the recipe's phases must begin with these"
    refused(stopped, change, told=[f"{must}, got {now}"])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ('backbone={kind="torchvision", model="resnet18", weights="none"}',
         "backbone.conv1.0.weight is no longer there, backbone.conv1.1.weight is no longer there, "
         "backbone.conv1.1.bias is no longer there and 118 more"),
        ('head="cosine"', "head.bias is no longer there, head.scale is new"),
    ],
)  # fmt: skip
def test_the_network_stays(stopped, change, found):
    another = "the backbone, the head or the number of classes is another: "
    refused(stopped, change, told=[another + found])


def test_the_number_of_classes_stays(stopped, three_classes):
    another = "the backbone, the head or the number of classes is another: "
    found = "head.weight was 2 × 96 and is 3 × 96, head.bias was 2 and is 3"
    refused(stopped, three_classes, told=[another + found])


def test_the_best_epoch_keeps_its_eval_split(stopped, tmp_path, images):
    told = "the eval split has changed, and the best epoch so far was measured on the old one"
    refused(stopped, eval="0" * 64, told=[told])
    path, output = write(tmp_path, images)
    stop_after(path, 2)  # before any epoch has ended
    assert restored(output, eval="0" * 64).update == 3


def test_as_it_was_nothing_is_noted(stopped):
    assert restored(stopped).notes == []


def test_another_optimizer_starts_anew(stopped):
    state = restored(stopped, 'phases.1.optimizer="adamw"')
    assert state.notes == ["the optimizer has changed: it starts without the state of the old one"]
    assert not state.segment.optimizer.state_dict()["state"]
    assert {g["betas"] for g in state.segment.optimizer.param_groups} == {(0.9, 0.999)}
    kept = restored(stopped).segment.optimizer
    assert kept.state_dict()["state"]


def test_a_new_rate_is_used_and_the_momentum_is_kept(stopped):
    before = restored(stopped).segment.optimizer
    state = restored(stopped, "phases.1.lr=0.5", "phases.1.layer_decay=1.0")
    groups = state.segment.optimizer.param_groups
    assert {group["base_lr"] for group in groups} == {0.5}
    assert len(groups) < len(before.param_groups)
    count = len(before.state_dict()["state"])
    assert len(state.segment.optimizer.state_dict()["state"]) == count > 0
    assert state.notes == []


@pytest.mark.parametrize("change", ["batch_size=20", "seed=3"])
def test_an_epoch_of_other_batches_begins_anew(tmp_path, images, change):
    path, output = write(tmp_path, images, text=RECIPE.replace('freeze = "backbone"\n', ""))
    stop_after(path, 2)
    assert (restored(output).update, restored(output).losses.done) == (3, 12)
    state = restored(output, change)
    assert (state.phase, state.epoch, state.update, state.losses) == (0, 0, 0, None)
    assert state.notes == ["the batches have changed: the interrupted epoch begins anew"]


def test_another_sampler_draws_other_batches(job, changed):
    plain = depends(job, State())["batches"]
    assert plain == [job.recipe.seed, job.recipe.batch_size, None]  # as states hold that are stored
    balanced = changed(job, sampler="balanced")
    assert depends(balanced, State())["batches"] == [*plain, "balanced"]
    one, two = job.recipe.phases
    mixed = changed(job, phases=(one, replace(two, sampler="balanced")))
    assert [depends(mixed, State(phase=n))["batches"] for n in (0, 1)] == [
        plain, [*plain, "balanced"],
    ]  # fmt: skip


def test_averaging_may_begin(tmp_path, images):
    path, output = write(tmp_path, images, text=RECIPE.replace("ema = 0.9\n", ""))
    stop_after(path, 14)
    assert restored(output).ema is None
    state = restored(output, "phases.1.ema=0.5")
    assert {*state.ema.tensors} == {*state.segment.rates}


def test_fewer_epochs_end_the_phase(tmp_path, stopped, images):
    """The interrupted epoch is dropped; the next phase begins with its first update."""
    folder = Path(shutil.copytree(stopped, tmp_path / "run"))
    phases = tomllib.loads((folder / "recipe.toml").read_text())["phases"]
    phases = [phases[0], phases[1] | {"epochs": 1}, *tomllib.loads(LAST)["phases"]]
    *events, result = resume(folder, [f"phases={inline(phases)}"])
    assert result.folder == str(folder)
    epochs = [event for event in events if isinstance(event, EpochResult)]
    assert [(e.phase, e.epoch, e.updates) for e in epochs] == [("last", 0, 5)]
    assert all(signals.weight_norm > 0 for signals in epochs[0].stages.values())
    assert not [e for e in events if isinstance(e, Notice) and "anew" in e.text]


def inline(value):
    """A value as TOML in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {inline(item)}' for key, item in value.items())}}}"
    return f"[{', '.join(map(inline, value))}]" if isinstance(value, list) else json.dumps(value)


LAST = """
[[phases]]
name = "last"
epochs = 1
lr = 0.001
"""
