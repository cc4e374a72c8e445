"""The head of a fold is the one that a run would have trained without the images of that fold."""

from dataclasses import replace

import pytest
import torch

from generators import exhausted
from small import write_recipe
from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.errors import RecipeError
from tlf.hookspecs import hookimpl
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
    logits, expected = of_fold(lambda: job_of(tmp_path, images, more, phase), ("two", 2))
    assert len(logits) == 4
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def of_fold(opened_job, best):
    """Logits of the images of a fold: out of fold, and of a run that is trained without them. Both
    runs have this best epoch.
    """
    job = opened_job()
    with job.loaders:
        state, head = trained(job)
        assert (state.best.result.phase, state.best.result.epoch) == best
        logits, _ = exhausted(out_of_fold_logits(job, state))
        again = job.classifier.head.state_dict()
        assert all(torch.equal(tensor, again[name]) for name, tensor in head.items())
        fold = folds(job.splits.train, job.task, job.recipe.seed)[1]
        other = replace(opened_job(), held_out=fold)
        with other.loaders:
            found, _ = trained(other)
            assert (found.best.result.phase, found.best.result.epoch) == best
            expected, _ = exhausted(train_logits(other, sorted(fold)))
    return logits[sorted(fold)], expected


def test_images_are_classified_as_they_are_where_the_best_phase_augments_them(tmp_path, images):
    """That phase stores views of them, and the last one the images themselves."""
    views = 'cache = { views = 2 }\ntransforms = { size = 32, resize = 36, augment = "crop-flip" }'
    plain = 'augment = "none"\noptimizer = "sgd"'
    logits, expected = of_fold(
        lambda: job_of(tmp_path, images, views, plain, epochs=1, lr=1e6), ("one", 0)
    )
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


class FirstEpoch:
    """Selects the first epoch of each phase but the last."""

    @hookimpl
    def tlf_select_best(self, history):
        return 0 if history[0].phase == "one" else None


def test_a_phase_starts_from_the_epoch_that_a_plugin_has_selected(tmp_path, images):
    def opened_job():
        job = job_of(tmp_path, images)
        first, last = job.recipe.phases
        recipe = replace(job.recipe, phases=(replace(first, epochs=3, lr=0.02), last))
        job.plan.plugins.manager.register(FirstEpoch())
        return replace(job, plan=replace(job.plan, recipe=recipe))

    logits, expected = of_fold(opened_job, ("two", 2))
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


class BiasLater:
    """Freezes the backbone, and in the first epoch of a phase the head's bias, too."""

    def frozen(self, model, progress):
        return {*model.backbone_names, *(() if progress.epoch else ("head.bias",))}


def test_policies_are_asked_in_every_epoch(tmp_path, images):
    def opened_job():
        job = job_of(tmp_path, images)
        first, last = job.recipe.phases
        recipe = replace(job.recipe, phases=(first, replace(last, freeze=(BiasLater(),))))
        plugins, odd = job.plan.plugins, Plugin("odd", "tlf-odd", "1.0")
        offer = Offer("tlf_freeze_policies", "odd:policy", BiasLater, odd)
        catalogue = Catalogue((*plugins.catalogue.offers, offer))
        plugins = replace(plugins, catalogue=catalogue)
        return replace(job, plan=replace(job.plan, recipe=recipe, plugins=plugins))

    logits, expected = of_fold(opened_job, ("two", 2))
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


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
