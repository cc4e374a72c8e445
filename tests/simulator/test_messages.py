"""Messages of the page, and settings as JSON."""

import json

import pytest

from tlf.errors import TlfError
from tlf.simulator.messages import (
    content_of,
    count_of,
    lanes_of,
    scene_as_json,
    settings_as_json,
    settings_of,
)


@pytest.fixture
def content(simulation):
    """Settings, as the page sends them."""
    return json.loads(json.dumps(settings_as_json(simulation.scene.presets[0].settings)))


def test_settings_come_back_as_they_were(simulation, content):
    scene = simulation.scene
    assert settings_of(content, scene) == scene.presets[0].settings
    assert lanes_of({"lanes": [content] * 2}, scene) == (scene.presets[0].settings,) * 2


def test_the_page_gets_no_names_of_parameters(simulation):
    scene = scene_as_json(simulation.scene)
    assert "frozen" not in scene["presets"][0]
    assert len(json.dumps(scene)) < 500_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": 1}, "there is no setting 'colour'; Known: batch, "),
        ({"seeds": 1}, "did you mean 'seed'"),
        ({"batch": "8"}, "batch must be one of "),
        ({"stages": []}, "stages must be a table, got []"),
        ({"stages": {"head": "trainable", "x": "frozen"}}, "got 'x'"),
        ({"lr": {"head": float("nan")}}, "lr.head must be a number above 0, got nan"),
        ({"lr": {"head": [[1]]}}, "lr.head must be a number"),
        ({"seed": 10**400}, "seed must be a whole number from 0 to"),
    ],
)
def test_settings_that_are_wrong_are_named(simulation, content, change, said):
    with pytest.raises(TlfError) as caught:
        settings_of(content | change, simulation.scene)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


def test_settings_that_are_missing_or_none_are_named(simulation, content):
    del content["stages"]
    with pytest.raises(TlfError, match="stages must be among the settings, got lr, layer_decay"):
        settings_of(content, simulation.scene)
    with pytest.raises(TlfError, match="settings must be a JSON object, got 'frozen'"):
        settings_of("frozen", simulation.scene)


@pytest.mark.parametrize("lanes", [None, "x", [], [{}] * 3, {}])
def test_one_lane_or_two(simulation, lanes):
    with pytest.raises(TlfError, match="lanes must be a list of the settings of one lane or two"):
        lanes_of({"lanes": lanes}, simulation.scene)


@pytest.mark.parametrize("count", [0, 101, -1, True, 1.0, "1", None, [1]])
def test_counts_of_steps(count):
    with pytest.raises(TlfError, match="count must be a whole number from 1 to 100"):
        count_of({"count": count})


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 50_000, b"null"])
def test_a_message_is_an_object(text):
    with pytest.raises(TlfError, match="a message must be a JSON object"):
        content_of(text)
