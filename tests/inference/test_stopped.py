"""A run that was stopped or killed is used with its best model so far, which its state has."""

import shutil

import pytest
import torch

from run_files import different_tensors
from stopped_runs import stop_after, write
from tlf.errors import RunError, WeightsError
from tlf.exports.export import export
from tlf.inference.head import load_head
from tlf.inference.metadata import read_metadata
from tlf.inference.predict import load_classifier
from tlf.runtime.stored.state import UnfinishedRunWarning, state_file

STOPPED = "has not ended: it was stored in epoch 2 of 3 of phase thaw, and its best model so far"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, images):
    """A run that was stopped by a signal in its third epoch. Nobody may change it."""
    path, output = write(tmp_path_factory.mktemp("stopped"), images)
    stop_after(path, 14)
    return output


def test_the_best_model_so_far_is_the_one_that_a_stop_would_have_written(
    run_copy, finished, images
):
    """A finished run without its files is read from its state."""
    for name in ("model.safetensors", "head.safetensors", "predictions.csv"):
        (run_copy / name).unlink()
    found, expected = load_classifier(run_copy), load_classifier(finished)
    state = expected.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in found.model.state_dict().items())
    assert (found.labels, found.preprocessing) == (expected.labels, expected.preprocessing)
    written = export(run_copy, "model").path
    assert different_tensors(written, finished / "model.safetensors") == []
    assert read_metadata(run_copy / "exports/model.safetensors") == read_metadata(
        finished / "model.safetensors"
    )


def test_it_says_where_the_run_was_stopped(stopped, images):
    with pytest.warns(UnfinishedRunWarning, match=STOPPED):
        classifier = load_classifier(stopped)
    assert classifier.labels == ("circles", "squares")


def test_its_head_is_exported_and_its_folder_left_alone(stopped, tmp_path, main):
    before = sorted(path.name for path in stopped.rglob("*"))
    code, _, err = main("export", stopped, "--to", "head", "--output", tmp_path / "head")
    assert (code, err.startswith("note: the run in ")) == (0, True)
    assert STOPPED in err
    assert load_head(tmp_path / "head").labels == ("circles", "squares")
    assert sorted(path.name for path in stopped.rglob("*")) == before


def test_before_the_first_evaluation_there_is_no_model(tmp_path, images):
    path, output = write(tmp_path, images)
    stop_after(path, 2)
    with pytest.raises(
        RunError, match=r"has no model yet: it was stopped in epoch 1 of 1 of phase"
    ):
        load_classifier(output)


def test_other_weights_and_a_damaged_state_are_refused(stopped, tmp_path):
    copied = shutil.copytree(stopped, tmp_path / "run")
    recipe = copied / "recipe.toml"
    text = recipe.read_text()
    recipe.write_text(text.replace("seed = 0", "seed = 1", 1))  # draws other weights
    with pytest.raises(WeightsError, match="has other weights than when the run was started"):
        load_classifier(copied)
    recipe.write_text(text)
    whole = bytearray(state_file(copied).read_bytes())
    whole[-5] ^= 1
    state_file(copied).write_bytes(whole)
    with pytest.raises(RunError, match=r"is damaged: its bytes are not those that were written"):
        load_classifier(copied)
