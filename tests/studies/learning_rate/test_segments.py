"""Which way the rate of a phase is looked for."""

import pytest

from generators import exhausted
from small import write_recipe
from tlf.recipe.plan import read_plan
from tlf.runtime.devices import start_accelerator
from tlf.studies.learning_rate.segments import is_measurable, segment_of, why_tested
from tlf.training.job import open_job, read_images

PHASES = """
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.1
[[phases]]
name = "augmented"
freeze = "backbone"
epochs = 1
lr = 0.1
augment = ["crop-flip"]
[[phases]]
name = "gradual"
freeze = { kind = "gradual", every = 1 }
epochs = 3
lr = 0.1
"""


@pytest.fixture(scope="module")
def job(images, tmp_path_factory):
    plan = read_plan(write_recipe(tmp_path_factory.mktemp("ways") / "r.toml", images, PHASES))
    return exhausted(read_images(open_job(plan, start_accelerator("no"))))[0]


def test_a_head_on_features_that_never_change_is_measured(job):
    found = []
    for phase in job.recipe.phases:
        segment = segment_of(job, phase)
        found.append((is_measurable(job, phase, segment), [*why_tested(job, phase, segment)]))
    head, augmented, gradual = found
    assert head == (True, [])
    assert augmented[0] is False
    assert augmented[1][0].startswith("augmented trains the head alone, on images that are aug")
    assert gradual == (False, [])


def test_a_phase_that_thaws_has_all_that_it_ever_trains(job):
    *_, gradual = job.recipe.phases
    assert len(segment_of(job, gradual).rates) > len(job.classifier.head_names)
