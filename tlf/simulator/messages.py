"""What the page and the program tell each other, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import TYPE_CHECKING, Any

from tlf.errors import TlfError, nearest
from tlf.simulator.records import StepRecord
from tlf.simulator.scene import Scene
from tlf.simulator.settings import Settings, check_settings

if TYPE_CHECKING:
    from tlf.simulator.costs import Costs

MOST_LANES = 2
MOST_STEPS_AT_ONCE = 100


def scene_as_json(scene: Scene) -> dict[str, Any]:
    """A scene, without what the page does not need."""
    content = asdict(scene)
    for preset in content["presets"]:
        del preset["frozen"]
    return content


def record_as_json(record: StepRecord) -> dict[str, Any]:
    """What a step has done."""
    return asdict(record)


def settings_as_json(settings: Settings) -> dict[str, Any]:
    """Settings, as the page sends them."""
    return asdict(settings)


def costs_as_json(costs: "Costs", settings: Settings) -> dict[str, Any]:
    """What steps with these settings cost, and the settings."""
    return {"settings": settings_as_json(settings), **asdict(costs)}


def content_of(text: bytes) -> Mapping[str, Any]:
    """The content of a message of the page.

    Raises:
        TlfError: it is no JSON object.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise TlfError("a message must be a JSON object, got something else; write {}")
    return content


def lanes_of(content: Mapping[str, Any], scene: Scene) -> tuple[Settings, ...]:
    """The settings of the lanes that the page wants.

    Raises:
        TlfError: they are not the settings of one lane or two, or do not fit the scene.
    """
    lanes = content.get("lanes")
    if not isinstance(lanes, list) or not 1 <= len(lanes) <= MOST_LANES:
        count = len(lanes) if isinstance(lanes, list) else "none"
        raise TlfError(f"lanes must be a list of the settings of one lane or two, got {count}")
    return tuple(settings_of(lane, scene) for lane in lanes)


def settings_of(content: object, scene: Scene) -> Settings:
    """Settings as the page sends them.

    Raises:
        TlfError: they are no settings, or do not fit the scene.
    """
    if not isinstance(content, dict):
        raise TlfError(f"settings must be a JSON object, got {content!r:.60}")
    known = {field.name: field for field in fields(Settings)}
    if unknown := [name for name in content if name not in known]:
        raise TlfError(f"there is no setting {unknown[0]!r:.60}; {nearest(unknown[0], [*known])}")
    needed = [name for name, field in known.items() if field.default is MISSING]
    if missing := [name for name in needed if name not in content]:
        raise TlfError(f"{missing[0]} must be among the settings, got {', '.join(content)}")
    settings = Settings(**content)
    check_settings(settings, scene)
    return settings


def count_of(content: Mapping[str, Any]) -> int:
    """How many steps the page wants.

    Raises:
        TlfError: it is no such number.
    """
    count = content.get("count", 1)
    if type(count) is not int or not 1 <= count <= MOST_STEPS_AT_ONCE:
        raise TlfError(
            f"count must be a whole number from 1 to {MOST_STEPS_AT_ONCE}, got {count!r:.60}"
        )
    return count
