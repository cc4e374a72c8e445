"""Runs of format 1, which tlf 0.1.0 wrote before there were tasks: read, and not resumed.

The folder ``format_1`` holds such a run as it was written, but for its model, which is large.
"""

import json
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import tlf as package
from places import TESTS
from tlf.errors import RunError
from tlf.inference import sealed_file

OLD = TESTS / "end_to_end" / "format_1"


@pytest.fixture
def old(tmp_path):
    """A copy of the old run, without its model: as if it had been stopped."""
    return shutil.copytree(OLD, tmp_path / "run")


def test_its_epochs_are_read(old):
    history = [*package.read_history(old)]
    lines = [json.loads(line) for line in (OLD / "metrics.jsonl").read_text().splitlines()]
    assert [(one.phase, one.eval_loss, one.eval_top1) for one in history] == [
        (line["phase"], line["eval_loss"], line["eval_top1"]) for line in lines
    ]
    assert [set(one.metrics) for one in history] == [{"loss", "top1"}] * 3


def test_its_history_is_printed(old, tlf):
    done = tlf("history", old)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].split() == [
        "phase", "epoch", "loss", "top-1", "loss", "top-1", "lr", "images/s", "seconds",
    ]  # fmt: skip
    assert " – " in lines[2]  # train top-1, which it did not measure


def test_its_head_loads(old):
    head = package.load_head(old / "head.safetensors")
    assert head.labels == ("ants", "bees")
    assert head.metadata.task == "single-label"
    assert head(torch.zeros(1, head.metadata.num_features)).shape == (1, 2)


def test_its_model_classifies(old, finished, images, monkeypatch):
    """The model of a new run, written as format 1 was: without its task."""
    path = old / "model.safetensors"
    shutil.copy(finished / "recipe.toml", old)
    with safe_open(finished / "model.safetensors", framework="pt") as file:
        about = json.loads(file.metadata()["tlf"])
    assert (about.pop("format"), about.pop("task")) == (3, "single-label")
    del about["file_sha256"], about["calibrated"]
    monkeypatch.setattr(sealed_file, "FORMAT", 1)
    sealed_file.write_sealed(path, load_file(finished / "model.safetensors"), about)
    monkeypatch.undo()
    some = sorted((images / "val" / "circles").iterdir())
    expected = [one.probabilities for one in package.predict(finished, some)]
    assert [one.probabilities for one in package.predict(old, some)] == expected


def test_it_is_not_resumed(old):
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    with pytest.raises(RunError, match="has format 1, from an older tlf, and this tlf resumes"):
        next(package.resume(old))
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before


def test_a_newer_run_asks_for_a_newer_tlf(old):
    provenance = json.loads((old / "provenance.json").read_text())
    (old / "provenance.json").write_text(json.dumps(provenance | {"format": 3}))
    with pytest.raises(RunError, match="has format 3, from a newer tlf"):
        next(package.resume(old))
    (old / "provenance.json").write_text("{")
    with pytest.raises(RunError, match=r"provenance\.json is damaged"):
        next(package.resume(old))
