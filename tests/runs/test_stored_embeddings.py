"""The embeddings that a run has stored are found by its files and images, and by nothing else."""

import json
import shutil
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from generators import exhausted
from small import HEAD_ALONE, write_recipe
from tlf.cache.entry import EntryKey
from tlf.cache.store import Cache
from tlf.checks.check import embedded_splits
from tlf.events import Stored
from tlf.recipe.plan import read_plan, with_splits
from tlf.runs.finished import open_finished
from tlf.runs.folder import read_provenance
from tlf.runs.run import run
from tlf.runs.stored_embeddings import (
    _StoredSplit,
    note_embeddings,
    stored_embeddings,
)
from tlf.training.embeddings import embeddings


def found(folder, **changed):
    """The embeddings that are stored of a run, and the events."""
    plan = with_splits(read_plan(folder / "recipe.toml"))
    manifests = read_provenance(folder)["data_sha256"]
    return exhausted(stored_embeddings(folder, plan, plan.splits, manifests | changed))


def test_they_are_what_the_model_gives(head_copy):
    stored, events = found(head_copy)
    assert [(each.title, each.reused) for each in events if isinstance(each, Stored)] == [
        ("features of 20 train images", True), ("features of 11 eval images", True)
    ]  # fmt: skip
    job, _ = exhausted(open_finished(head_copy))
    with job.loaders:
        computed = embedded_splits(job, exhausted(embeddings(job))[0])
    for split in ("train", "eval"):
        rows, expected = getattr(stored, split), getattr(computed, split)
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows, expected)
        assert getattr(stored.splits, split).names == getattr(computed.splits, split).names
        for index in range(len(rows)):
            pixels = stored.pixels[split](index)
            np.testing.assert_array_equal(pixels, computed.pixels[split](index))
    assert stored.manifests == computed.manifests
    assert stored.preprocessing == json.loads(json.dumps(asdict(job.preprocessing)))


def test_of_other_images_there_are_none(head_copy):
    assert found(head_copy, train="0" * 64)[0] is None
    assert found(head_copy, eval="0" * 64)[0] is None


def test_of_another_model_there_are_none(head_copy):
    model = head_copy / "model.safetensors"
    model.write_bytes(model.read_bytes().replace(b'"size', b'"sice', 1))
    assert found(head_copy)[0] is None


@pytest.mark.parametrize(
    ("key", "value"), [("resize = 36", "resize = 35"), ("seed = 0", "seed = 1")]
)
def test_of_another_recipe_there_are_none(head_copy, key, value):
    recipe = head_copy / "recipe.toml"
    changed = recipe.read_text().replace(key, value)
    assert changed != recipe.read_text()
    recipe.write_text(changed)
    assert found(head_copy)[0] is None


def test_with_other_code_or_decoders_there_are_none(head_copy, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("tlf.runs.stored_embeddings.decoders", dict)
        assert found(head_copy)[0] is None
    monkeypatch.setattr("tlf.runs.identity.engine", lambda: "0" * 64)
    assert found(head_copy)[0] is None


@pytest.mark.parametrize("kind", ["activations", "pixels", "embeddings"])
@pytest.mark.parametrize("harm", [shutil.rmtree, lambda folder: (folder / "data").write_bytes(b"")])
def test_what_is_no_longer_in_the_cache_is_not_found(head_copy, tmp_path, kind, harm):
    entries = [*(tmp_path / "cache").rglob(f"{kind}-*")]
    assert len(entries) == (1 if kind == "embeddings" else 2)
    harm(entries[0])
    assert found(head_copy) == (None, [])


def test_a_run_that_trains_the_backbone_notes_nothing(finished):
    assert found(finished)[0] is None


def test_a_run_that_left_images_out_notes_nothing(images, tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    root = shutil.copytree(images, tmp_path / "images")
    (root / "train" / "circles" / "000.jpg").write_bytes(b"no image")
    recipe = write_recipe(tmp_path / "recipe.toml", root, HEAD_ALONE)
    list(run(recipe, ['data.bad_images="skip"']))
    assert [*(tmp_path / "cache").rglob("activations-*")]
    assert not [*(tmp_path / "cache").rglob("embeddings-*")]


@pytest.mark.parametrize(("changing", "loaded"), [(["own"], ["tlf"]), ([], ["tlf", "own"])])
def test_where_a_plugin_is_loaded_nothing_is_noted(tmp_path, monkeypatch, changing, loaded):
    monkeypatch.setattr("tlf.training.embeddings.stored_by", lambda *_: object())
    named = [SimpleNamespace(name=name) for name in loaded]
    plan = SimpleNamespace(plugins=SimpleNamespace(changing=changing, loaded=named))
    note_embeddings(tmp_path, SimpleNamespace(plan=plan, cache=object(), unreadable=()), None)


@pytest.mark.parametrize("numbers", ["float32", "float16", "bfloat16"])
def test_numbers_of_every_kind_are_read_as_torch_reads_them(tmp_path, numbers):
    values = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).to(
        getattr(torch, numbers)
    )
    values[0, :3] = torch.tensor([0.0, float("inf"), 1e-7])
    cache, key = Cache(tmp_path, 10**6), EntryKey("activations", "rows", {})
    cache.store(key, values.view(torch.uint8).numpy().tobytes())
    entry = cache.find(key)
    rows = _StoredSplit(entry, entry, None, numbers, 7).embeddings()
    np.testing.assert_array_equal(rows, values.float().numpy())
