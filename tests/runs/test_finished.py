"""A finished run is opened again: with its images, and with its best weights."""

import shutil

import pytest
import torch

from generators import exhausted
from tlf.errors import DataError, RunError
from tlf.inference.predict import load_classifier
from tlf.runs.finished import open_finished
from tlf.training.embeddings import embeddings


def test_it_has_the_weights_and_the_images_of_the_run(finished):
    job, _ = exhausted(open_finished(finished))
    assert (len(job.splits.train), len(job.splits.eval)) == (20, 11)
    expected = load_classifier(finished).model.state_dict()
    found = job.classifier.state_dict()
    assert found.keys() == expected.keys()
    assert not [name for name in found if not torch.equal(found[name], expected[name])]


def test_its_images_are_embedded_with_those_weights(finished, images):
    job, _ = exhausted(open_finished(finished))
    with job.loaders:
        found, _ = exhausted(embeddings(job))
    classifier = load_classifier(finished)
    batch = classifier.prepare([images / name for name in job.splits.eval.names])
    with torch.inference_mode():
        torch.testing.assert_close(found.eval, classifier.model.features(batch).float())


def test_a_run_without_a_model_says_so(run_copy):
    (run_copy / "model.safetensors").unlink()
    with pytest.raises(RunError, match="has no model yet; wait for its end, or stop it"):
        exhausted(open_finished(run_copy))


def test_what_is_no_run_and_images_that_are_gone_are_named(run_copy, tmp_path, images):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="is not the folder of a run"):
        exhausted(open_finished(tmp_path / "empty"))
    recipe = run_copy / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(images), str(tmp_path / "gone")))
    with pytest.raises(DataError, match="gone"):
        exhausted(open_finished(run_copy))
    shutil.rmtree(run_copy)
    with pytest.raises(RunError, match="is not the folder of a run"):
        exhausted(open_finished(run_copy))
