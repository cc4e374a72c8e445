import pytest

from tlf.recipe.plan import plan_of
from tlf.simulator.rates import optimizers, phase_segments, rates_for


@pytest.fixture
def job_with(simulation):
    """The job of a simulation, with other phases."""
    from dataclasses import replace

    def changed(*overrides):
        plan = plan_of(replace(simulation.job.plan, splits=None), overrides)
        return replace(simulation.job, plan=plan)

    return changed


def rates(job, *trains):
    """Rates for stages by name."""
    names = {**job.classifier.stages, "head": job.classifier.head_names}
    return rates_for(job, frozenset(n for s in trains for n in names[s]), phase_segments(job))


def test_a_phase_that_trains_the_same_gives_its_rates(job_with):
    job = job_with("phases.all.lr={ head = 0.02, backbone = 0.002, layer3 = 0.003 }")
    found = rates(job, *job.classifier.stages, "head")
    assert found.lr == {"head": 0.02, "backbone": 0.002, "layer3": 0.003}
    assert (found.layer_decay, found.optimizer) == (0.5, "sgd")
    assert found.source == "Rates of the recipe's phase all."


def test_what_a_phase_freezes_has_rates_of_another_phase(job_with):
    found = rates(job_with(), "head")
    assert found.lr == {"head": 0.1, "backbone": 0.01}
    assert found.layer_decay == 0.5
    assert found.source == (
        "Rate of the head: the recipe's phase head; of the backbone: the phase all."
    )


def test_a_part_has_the_rates_of_the_phase_that_trains_little_more(job_with):
    job = job_with('phases.head.freeze={ kind = "up-to", stage = "layer3" }')
    assert rates(job, "layer4", "head").source == "Rates of the recipe's phase head."
    assert rates(job, "head").source == "Rates of the recipe's phase head."
    assert rates(job, "layer2", "head").source == "Rates of the recipe's phase all."


@pytest.mark.parametrize("change", ['freeze="backbone"', 'optimizer="adamw"'])
def test_a_recipe_that_has_none_gives_the_backbone_a_tenth(job_with, change):
    """Also where the phase that trains it has another optimizer: its rates mean something else."""
    found = rates(job_with(f"phases.all.{change}"), "head")
    assert found.lr == {"head": 0.1, "backbone": pytest.approx(0.01)}
    assert found.layer_decay is None
    assert (
        found.source == "Rate of the head: the recipe's phase head; of the backbone: a tenth of it."
    )


def test_the_phases_of_gradual_unfreezing_are_foreseen(job_with):
    thaw = 'phases.all.freeze={ kind = "gradual", thaw = 1, every = 1 }'
    job = job_with(thaw, "phases.all.epochs=3")
    found = [
        (s.number, s.epoch, len(s.frozen)) for s in phase_segments(job) if s.phase.name == "all"
    ]
    assert [(number, epoch) for number, epoch, _ in found] == [(2, 0), (2, 1), (2, 2)]
    assert sorted(found, key=lambda one: -one[2]) == found
    job = job_with(thaw, "phases.all.epochs=3", "phases.head.optimizer=adamw")
    assert rates(job, "layer4", "head").source == "Rates of the recipe's phase all."


def test_optimizers_are_those_of_the_recipe_then_plain_ones(job_with):
    job = job_with(
        'optimizer={ kind = "sgd", momentum = 0.5 }',
        'phases.all.optimizer={ kind = "adam", eps = 1e-6 }',
    )
    found = optimizers(job.recipe, job.plan.plugins.catalogue)
    assert [*found] == ["sgd", "adam", "adamw"]
    assert (found["sgd"].momentum, found["adam"].eps) == (0.5, 1e-6)
