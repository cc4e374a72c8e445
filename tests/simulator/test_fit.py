from dataclasses import replace

import pytest
import torch

from generators import exhausted
from tlf.errors import RecipeError
from tlf.recipe.plan import plan_of
from tlf.simulator import fit
from tlf.simulator.fit import Timed, fitted, timed_step
from tlf.simulator.sample import sampled
from tlf.training.job import open_job


@pytest.fixture
def fitted_at(simulation, monkeypatch, threads):
    """Fit the page to a network whose steps take so long: a function of batch and size."""

    threads(1)

    def fitting(seconds, *overrides, job=simulation.job):
        plan = plan_of(replace(simulation.job.plan, splits=None), overrides)
        plan = replace(plan, splits=simulation.job.plan.splits)
        job = replace(job, plan=plan, splits=plan.splits)
        steps = []

        def timed(job, batch, optimizer):
            assert len(job.splits.train) == batch
            assert optimizer == "sgd"
            steps.append((batch, job.preprocessing.size))
            return Timed(0.6 * seconds(*steps[-1]), seconds(*steps[-1]))

        def passed(job, batch):
            return 0.6 * seconds(batch, job.preprocessing.size)

        monkeypatch.setattr(fit, "timed_step", timed)
        monkeypatch.setattr(fit, "pass_seconds", passed)
        job, _ = exhausted(sampled(job))
        return exhausted(fitted(job))[0], steps

    return fitting


WRITTEN = "batch_size=32"


def test_a_fast_step_trains_on_sixteen_images(fitted_at):
    found, steps = fitted_at(lambda batch, size: 0.01 * batch, WRITTEN)
    assert (found.batches, steps) == ((2, 4, 8, 16), [(16, 32)])
    assert found.notes == (
        "Each step trains on 16 images, so that it takes about 2 s at most on 1 thread; "
        "the recipe's batches have 32.",
    )


@pytest.mark.parametrize(("each", "batch"), [(0.13, 8), (0.3, 4), (0.6, 2)])
def test_a_slower_one_trains_on_fewer(fitted_at, each, batch):
    found, steps = fitted_at(lambda batch, size: each * batch, WRITTEN)
    assert found.batches[-1] == batch
    assert steps == [(batch, 32)]
    assert len(found.job.splits.train) == len(found.job.splits.eval) == batch
    assert found.timed.whole == each * batch


def test_what_does_not_grow_with_the_batch_is_no_reason_for_a_small_one(fitted_at):
    found, steps = fitted_at(lambda batch, size: 0.4 + 0.01 * batch, WRITTEN)
    assert (found.batches[-1], steps) == (16, [(8, 32), (16, 32)])


def test_a_step_that_is_slower_than_expected_has_fewer_images(fitted_at):
    found, steps = fitted_at(lambda batch, size: 0.01 * batch**2, WRITTEN)
    assert (found.batches[-1], steps) == (8, [(16, 32), (8, 32)])


def test_batches_are_no_larger_than_those_of_the_recipe(fitted_at):
    found, _ = fitted_at(lambda batch, size: 0.01, "batch_size=4")
    assert found.batches == (2, 4)
    assert found.notes[0].endswith(" on 1 thread; as in the recipe.")


def test_a_size_that_a_person_wrote_stays(fitted_at):
    found, steps = fitted_at(lambda batch, size: 30.0, WRITTEN)
    assert (found.batches, steps) == ((2,), [(2, 32), (2, 32)])  # the first may be slow
    assert found.notes == (
        "Each step trains on 2 images, the fewest; one in which everything trains took 30 s on "
        "1 thread.",
    )


def slow(batch, size):
    """As the area of an image."""
    return 3.9 * batch / 2 * (size / 160) ** 2


@pytest.fixture
def large_images(simulation, fitted_at):
    """Fit the page where images have the size of the weights, 160 pixels."""
    own = simulation.job
    plan = plan_of(replace(own.plan, splits=None), ["transforms={}"])
    opened = open_job(replace(plan, splits=own.plan.splits), own.accelerator)
    return lambda seconds: fitted_at(seconds, "transforms={}", job=opened)


def test_images_are_smaller_where_two_of_them_take_too_long(large_images):
    found, steps = large_images(slow)
    assert steps == [(2, 160), (2, 160), (2, 96)]  # the first may be slow
    assert (found.job.preprocessing.size, found.job.preprocessing.resize) == (96, 101)
    assert found.job.recipe.transforms.size == 96
    assert found.job.pixels["train"](0).shape[1] == 101
    assert found.notes[0] == (
        "Images are 96 pixels wide, not 160, where a step of 2 images took 3.9 s; to keep their "
        "size, write transforms.size=160."
    )
    assert found.notes[1].endswith("; the recipe's batches have 8.")


def test_no_step_is_made_that_would_take_a_minute(large_images):
    found, steps = large_images(lambda batch, size: 30 * slow(batch, size))
    assert {size for _, size in steps} == {32}
    assert found.job.recipe.transforms.size == 32
    assert found.notes[0].startswith("Images are 32 pixels wide, not 160, where a step of 2 images")
    assert found.timed.whole == pytest.approx(30 * slow(2, 32))


def test_a_size_that_the_network_refuses_is_not_used(large_images, monkeypatch):
    def refusing(plan, accelerator):
        if plan.recipe.transforms.size != 112:
            raise RecipeError(["transforms.size: must be a size that the model takes"])
        return open_job(plan, accelerator)

    monkeypatch.setattr(fit, "open_job", refusing)
    assert large_images(slow)[0].job.preprocessing.size == 112


def test_a_network_of_one_size_keeps_it(large_images, monkeypatch):
    def refusing(plan, accelerator):
        raise RecipeError(["transforms.size: must be a size that the model takes"])

    monkeypatch.setattr(fit, "open_job", refusing)
    found, _ = large_images(slow)
    assert found.job.preprocessing.size == 160
    assert found.notes == (
        "Each step trains on 2 images, the fewest; one in which everything trains took 3.9 s on "
        "1 thread.",
    )


def test_a_step_is_measured_and_changes_nothing(simulation):
    before = {name: t.clone() for name, t in simulation.job.classifier.state_dict().items()}
    timed = timed_step(simulation.job, 2, "adamw")
    assert 0 < timed.seconds < 60
    assert 0 < timed.whole < 10
    after = simulation.job.classifier.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
