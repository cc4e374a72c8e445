import json
from dataclasses import asdict

from tlf.simulator.messages import scene_as_json


def test_a_scene_is_small_json_without_names_of_parameters(simulation):
    content = scene_as_json(simulation.scene)
    text = json.dumps(content)
    assert len(text) < 60_000
    assert "backbone.layer1" not in text
    assert len(json.dumps(asdict(simulation.scene)["stages"])) < 1000
    assert content["presets"][0]["rates"].startswith("Rate of the head: the recipe's phase head")
