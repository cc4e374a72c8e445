"""The range test leaves everything as it was, bit for bit."""

from dataclasses import replace

import pytest
import torch

from generators import exhausted
from small import write_recipe
from tlf.errors import NotFiniteError
from tlf.freezing.freeze import digests
from tlf.recipe.plan import read_plan
from tlf.results import EpochResult
from tlf.runs.run import run
from tlf.runtime.devices import start_accelerator
from tlf.studies.learning_rate import range_test as module
from tlf.studies.learning_rate.grid import Limits
from tlf.studies.learning_rate.range_test import range_test
from tlf.studies.learning_rate.segments import segment_of
from tlf.training.job import open_job, read_images

ALL = """
batch_size = 20
optimizer = "adamw"
[transforms]
size = 32
resize = 36
augment = ["crop-flip"]
[[phases]]
name = "all"
epochs = 2
lr = 0.01
layer_decay = 0.5
"""


@pytest.fixture(scope="module")
def opened(images, tmp_path_factory):
    """A job whose whole network trains, BatchNorm included, with its segment."""
    plan = read_plan(write_recipe(tmp_path_factory.mktemp("range") / "r.toml", images, ALL))
    job, _ = exhausted(read_images(open_job(plan, start_accelerator("no"))))
    with job.loaders:
        yield job, segment_of(job, job.recipe.phases[0])


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(module, "STEPS", 8)


def test_weights_statistics_and_optimizer_are_as_they_were(opened):
    job, segment = opened
    optimizer = segment.optimizer.optimizer
    before, generator = digests(job.classifier), torch.get_rng_state()
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter] = {
                "step": torch.tensor(3.0),
                "exp_avg": torch.full_like(parameter, 0.25),
                "exp_avg_sq": torch.full_like(parameter, 0.5),
            }
    found, events = exhausted(range_test(job, job.recipe.phases[0], segment))
    assert len(found.losses) > 1
    assert events[-1].title == "range test of all"
    assert digests(job.classifier) == before
    assert torch.equal(torch.get_rng_state(), generator)
    for group in optimizer.param_groups:
        assert group["lr"] == group["base_lr"]
        for parameter in group["params"]:
            assert parameter.grad is None
            state = optimizer.state[parameter]
            assert float(state["step"]) == 3
            assert bool((state["exp_avg"] == 0.25).all() and (state["exp_avg_sq"] == 0.5).all())


def test_rates_rise_and_keep_what_they_are_to_each_other(opened, monkeypatch):
    job, segment = opened
    seen = []
    written = module.write_rates

    def watched(optimizer, factor):
        written(optimizer, factor)
        seen.append([group["lr"] for group in optimizer.param_groups])

    monkeypatch.setattr(module, "write_rates", watched)
    found, _ = exhausted(range_test(job, job.recipe.phases[0], segment, Limits(1e-6, 1e-3)))
    assert len(found.losses) == len(seen) == 8
    assert [max(rates) for rates in seen] == pytest.approx(found.rates)
    assert (found.rates[0], found.rates[-1]) == pytest.approx((1e-6, 1e-3))
    first = seen[0]
    for rates in seen:
        assert [r / max(rates) for r in rates] == pytest.approx([r / max(first) for r in first])


def test_its_steps_are_those_of_a_run(opened, tmp_path, images):
    job, segment = opened
    found, _ = exhausted(range_test(job, job.recipe.phases[0], segment, Limits(1e-9, 1e-8)))
    recipe = write_recipe(tmp_path / "r.toml", images, ALL.replace("0.01", "1e-9"))
    losses = [event.train_loss for event in run(recipe) if isinstance(event, EpochResult)]
    assert found.losses[:2] == pytest.approx(losses, rel=1e-5)
    assert losses[0] != pytest.approx(losses[1], rel=1e-5)


def test_it_stops_where_the_loss_explodes(opened):
    job, segment = opened
    found, _ = exhausted(range_test(job, job.recipe.phases[0], segment, Limits(1e-3, 1e20)))
    assert len(found.losses) < 8
    assert found.exploded is not None


def test_a_first_loss_that_is_not_finite_is_an_error(opened):
    job, segment = opened
    broken = replace(job, loss=lambda logits, labels: logits.sum(1) * float("nan"))
    with pytest.raises(NotFiniteError, match="the loss of the first step must be finite, got nan"):
        exhausted(range_test(broken, job.recipe.phases[0], segment))
