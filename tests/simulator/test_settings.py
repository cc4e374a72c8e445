import math
from dataclasses import replace

import pytest

from tlf.errors import TlfError
from tlf.simulator.settings import check_settings


@pytest.fixture
def settings(simulation):
    return simulation.scene.presets[0].settings


def test_the_settings_of_every_preset_can_be_used(simulation):
    for preset in simulation.scene.presets:
        check_settings(preset.settings, simulation.scene)


def test_any_stage_of_a_preset_may_train(simulation):
    for preset in simulation.scene.presets:
        everything = dict.fromkeys(preset.settings.stages, "trainable")
        check_settings(replace(preset.settings, stages=everything), simulation.scene)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"stages": ["stem"]}, "stages must be a table, got ['stem']"),
        ({"stages": {"layer9": "frozen"}}, "stages must be those of this network, got 'layer9'"),
        ({"stages": {}}, "stages must say what each stage does, got nothing for stem; write"),
        ({"optimizer": "sgdd"}, "optimizer must be one of sgd, adamw, got 'sgdd'; write 'sgd'"),
        ({"weights": "trained"}, "weights must be one of random, got 'trained'; write 'random'"),
        ({"batch": 3}, "batch must be one of 2, 4, 8, got 3; write 2"),
        ({"batch": 8.0}, "batch must be one of 2, 4, 8, got 8.0; write 2"),
        ({"batch": True}, "batch must be one of 2, 4, 8, got True"),
        ({"lr": 0.1}, "lr must be a table, got 0.1"),
        ({"lr": {"layer7": 0.1}}, "lr must have entries for head, backbone and stages, got 'lay"),
        ({"lr": {"head": -0.1}}, "lr.head must be a number above 0, got -0.1; write 0.01"),
        ({"lr": {"head": math.nan}}, "lr.head must be a number above 0, got nan"),
        ({"lr": {"head": 10**400}}, "lr.head must be a number above 0, got 1000"),
        ({"lr": {"head": "much"}}, "lr.head must be a number above 0, got 'much'"),
        ({"lr": {"backbone": 0.1}}, "lr must have a rate for head, which trains, got only backbo"),
        ({"layer_decay": 0}, "layer_decay must be a number above 0 and at most 1, got 0; write 1"),
        ({"layer_decay": "no"}, "layer_decay must be a number above 0 and at most 1, got 'no'"),
        ({"seed": -1}, "seed must be a whole number from 0 to 4294967295, got -1; write 0"),
        ({"seed": 1.5}, "seed must be a whole number from 0 to 4294967295, got 1.5"),
        ({"naive": "yes"}, "naive must be true or false, got 'yes'; write false"),
    ],
)
def test_what_cannot_be_used_is_named(simulation, settings, changes, error):
    with pytest.raises(TlfError) as caught:
        check_settings(replace(settings, **changes), simulation.scene)
    assert str(caught.value).startswith(error)


@pytest.mark.parametrize("state", ["thawed", None, ["frozen"], "all", "norms "])
def test_an_unknown_state_is_named(simulation, settings, state):
    """``all`` is a preset, but it trains whole stages: there is no part of one to choose."""
    stages = {**settings.stages, "layer1": state}
    with pytest.raises(TlfError, match=r"layer1 must be one of frozen, trainable, norms, got"):
        check_settings(replace(settings, stages=stages), simulation.scene)


def test_a_student_is_told_why_everything_must_not_be_frozen(simulation, settings):
    stages = dict.fromkeys(settings.stages, "frozen")
    with pytest.raises(TlfError) as caught:
        check_settings(replace(settings, stages=stages), simulation.scene)
    assert str(caught.value) == (
        "a stage must train, got all of them frozen: then no weight has a gradient, and a step "
        "changes nothing; set a stage to trainable, such as the head"
    )
