"""A small job, which nobody trains."""

from dataclasses import replace

import pytest

from small import TWO_PHASES, write_recipe
from tlf.recipe.plan import read_plan
from tlf.runtime.devices import start_accelerator
from tlf.training.job import Job, open_job


@pytest.fixture(scope="module")
def job(tmp_path_factory, images) -> Job:
    """A small job with its images found and its model built; its model may be changed."""
    path = write_recipe(tmp_path_factory.mktemp("job") / "recipe.toml", images, TWO_PHASES)
    return open_job(read_plan(path), start_accelerator("no"))


@pytest.fixture(scope="session")
def changed():
    """The job with other values in its recipe."""

    def change(job: Job, **values: object) -> Job:
        return replace(job, plan=replace(job.plan, recipe=replace(job.recipe, **values)))

    return change
