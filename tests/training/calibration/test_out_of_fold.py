"""The head of a fold is the one that a run would have trained without the images of that fold."""

from dataclasses import replace

import pytest
import torch

from generators import exhausted
from small import write_recipe
from tlf.errors import RecipeError
from tlf.inference.metadata import read_metadata
from tlf.recipe.plan import read_plan
from tlf.runs.record import opened
from tlf.runs.run import run
from tlf.training.calibration.classify import train_logits
from tlf.training.calibration.held_out import folds
from tlf.training.calibration.out_of_fold import out_of_fold_logits
from tlf.training.state import State
from tlf.training.trainer import train

TWO = """calibration = "out-of-fold"
monitor = "train_loss"
{more}
[optimizer]
kind = "adamw"
[[phases]]
name = "one"
freeze = "backbone"
epochs = 1
lr = 0.0001
scheduler = "cosine"
[[phases]]
name = "two"
freeze = "backbone"
epochs = {epochs}
lr = {lr}
{phase}
"""


def job_of(tmp_path, images, more="", phase="", epochs=3, lr=0.05):
    text = TWO.format(more=more, phase=phase, epochs=epochs, lr=lr)
    path = write_recipe(tmp_path / "recipe.toml", images, text)
    job, _ = exhausted(opened(read_plan(path, [f"cache.dir={tmp_path}/cache"])))
    return job


def trained(job):
    """Train the job; its state, and its head."""
    state = State()
    exhausted(train(job, state))
    return state, {n: t.clone() for n, t in job.classifier.head.state_dict().items()}


@pytest.mark.parametrize(
    ("more", "phase"),
    [
        ("", 'sampler = "balanced"'),
        pytest.param("accumulate = 2\nclip_grad_norm = 0.5", "ema = 0.5", marks=pytest.mark.slow),
        pytest.param("", 'augment = ["crop-flip", "mixup"]', marks=pytest.mark.slow),
    ],
)
def test_its_logits_are_those_of_a_run_without_the_fold(tmp_path, images, more, phase):
    job = job_of(tmp_path, images, more, phase)
    with job.loaders:
        state, head = trained(job)
        assert (state.best.result.phase, state.best.result.epoch) == ("two", 2)
        logits, _ = exhausted(out_of_fold_logits(job, state))
        again = job.classifier.head.state_dict()
        assert all(torch.equal(tensor, again[name]) for name, tensor in head.items())
        fold = folds(job.splits.train, job.task, job.recipe.seed)[1]
        other = replace(job_of(tmp_path, images, more, phase), held_out=fold)
        with other.loaders:
            found, _ = trained(other)
            assert (found.best.result.phase, found.best.result.epoch) == ("two", 2)
            expected, _ = exhausted(train_logits(other, sorted(fold)))
    assert len(fold) == 4
    torch.testing.assert_close(logits[sorted(fold)], expected, atol=1e-5, rtol=1e-5)


def test_images_are_classified_as_they_are_where_the_best_phase_augments_them(tmp_path, images):
    """The phase stores views of them, and the last one none; each has trained on its own images."""
    views = 'cache = { views = 2 }\ntransforms = { size = 32, resize = 36, augment = "crop-flip" }'
    arguments = tmp_path, images, views, 'augment = "none"\noptimizer = "sgd"', 1
    job = job_of(*arguments, lr=1e6)
    with job.loaders:
        state, _ = trained(job)
        assert state.best.result.phase == "one"
        logits, _ = exhausted(out_of_fold_logits(job, state))
        fold = folds(job.splits.train, job.task, job.recipe.seed)[1]
        other = replace(job_of(*arguments, lr=1e6), held_out=fold)
        with other.loaders:
            found, _ = trained(other)
            assert found.best.result.phase == "one"
            expected, _ = exhausted(train_logits(other, sorted(fold)))
    torch.testing.assert_close(logits[sorted(fold)], expected, atol=1e-5, rtol=1e-5)


def test_a_run_names_every_train_image(tmp_path, images):
    path = write_recipe(
        tmp_path / "recipe.toml", images, TWO.format(more="", phase="", epochs=1, lr=0.05)
    )
    list(run(path))
    found = read_metadata(tmp_path / "run/head.safetensors").calibration
    assert (found.source, found.images) == ("out-of-fold", 20)
    assert 0 < found.threshold < 1


def test_a_backbone_that_trains_is_refused(tmp_path, images):
    text = TWO.format(more="", phase="", epochs=3, lr=0.05).replace(
        'name = "two"\nfreeze = "backbone"', 'name = "two"\nfreeze = { kind = "gradual", thaw = 2 }'
    )
    path = write_recipe(tmp_path / "recipe.toml", images, text)
    with pytest.raises(RecipeError, match=r"calibration: must be .* as in the phase two, got"):
        exhausted(opened(read_plan(path)))
