"""What the page and the program tell each other, as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tlf.simulator.records import StepRecord
from tlf.simulator.scene import Scene
from tlf.simulator.settings import Settings


def scene_as_json(scene: Scene) -> dict[str, Any]:
    """A scene, without what the page does not need."""
    content = asdict(scene)
    for preset in content["presets"]:
        del preset["frozen"]
    return content


def record_as_json(record: StepRecord) -> dict[str, Any]:
    """What a step has done."""
    return asdict(record)


def settings_of(content: Mapping[str, Any]) -> Settings:
    """Settings as the page sends them."""
    return Settings(**content)
