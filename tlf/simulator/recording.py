"""The recorded page: every preset's steps in one file, which plays them without the program."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from tlf.data.inspection.inspect import Events
from tlf.errors import DataError
from tlf.events import Prepared
from tlf.runtime.files import write_whole
from tlf.runtime.text import readable_size
from tlf.simulator.messages import record_as_json, scene_as_json
from tlf.simulator.page import Row, simulator_page
from tlf.simulator.records import StageRecord, StepRecord
from tlf.simulator.scene import Preset, Scene, SceneImage
from tlf.simulator.simulation import Simulation

STEPS = 12
"""Of each preset."""
MOST_BYTES = 2_000_000
"""A page is smaller than this, so that it can be sent by mail."""
DIGITS = 6
"""Significant digits of a number in the page."""
SMALL_SIDE = 48
"""Side in pixels of the thumbnails of a page that is too large with its own."""


@dataclass(frozen=True)
class Recording:
    """What the steps of a preset have done."""

    preset: Preset
    records: tuple[StepRecord, ...]
    """The network before the first step, and then each step."""


def record(
    simulation: Simulation, steps: int = STEPS
) -> Generator[Events, None, tuple[Recording, ...]]:
    """Make the steps of every preset. One that breaks, by a loss that is not finite, ends there."""
    recordings = []
    presets = simulation.scene.presets
    batches = [preset.settings.batch for preset in presets]
    for number, preset in enumerate(presets):
        lane = simulation.lane(preset.settings)
        records = [lane.start()]
        for step in range(steps):
            records.append(lane.make_step())
            done = steps * sum(batches[:number]) + (step + 1) * batches[number]
            yield Prepared("record", done, steps * sum(batches))
            if records[-1].broken is not None:
                break
        recordings.append(Recording(preset, tuple(records)))
    return tuple(recordings)


def write_recording(
    scene: Scene, recordings: Sequence[Recording], command: str, path: Path
) -> tuple[str, ...]:
    """Write the recorded page, whole or not at all. A page of that name is replaced.

    Parameters:
        scene: what was recorded.
        recordings: its steps.
        command: what opens the live page, for settings that were not recorded.
        path: the HTML file.

    Returns:
        What was left out to keep the page below ``MOST_BYTES``, one sentence each.

    Raises:
        DataError: it would be larger, even without its images.
        UnwritableError: the file cannot be written.
    """
    notes: list[str] = []
    html = recorded_page(scene, recordings, command)
    for note, smaller in _REDUCTIONS:
        if len(html.encode()) < MOST_BYTES:
            break
        notes = [note]
        scene = smaller(scene)
        html = recorded_page(replace(scene, notes=(*scene.notes, note)), recordings, command)
    size = len(html.encode())
    if size >= MOST_BYTES:
        raise DataError(
            f"the recorded page of {len(scene.classes):,} classes and {len(scene.stages)} stages "
            f"must have less than {readable_size(MOST_BYTES)}, got {readable_size(size)}; "
            f"open the live page: {command}"
        )
    write_whole(path, html)
    return tuple(notes)


def recorded_page(scene: Scene, recordings: Sequence[Recording], command: str) -> str:
    """The page as HTML."""
    return simulator_page(
        scene_as_json(scene),
        command,
        recordings_as_json(recordings, command),
        [_row(recording) for recording in recordings],
    )


def recordings_as_json(recordings: Sequence[Recording], command: str) -> dict[str, Any]:
    """Recordings for the page: what repeats in each step stands once, numbers are rounded to
    ``DIGITS`` significant digits.
    """
    columns = [field.name for field in fields(StageRecord)]
    first, *_ = recordings
    return {
        "command": command,
        "steps": max(len(recording.records) - 1 for recording in recordings),
        "stages": [*first.records[0].stages],
        "columns": columns,
        "presets": {
            recording.preset.id: {
                "records": [_compact(record_as_json(one), columns) for one in recording.records]
            }
            for recording in recordings
        },
    }


def _compact(content: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """A record without its settings, which are those of the preset, and its stages as rows."""
    del content["settings"]
    rows = [[stage[name] for name in columns] for stage in content["stages"].values()]
    return rounded({**content, "stages": rows})


def rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON, each number with ``DIGITS`` significant digits.

    >>> rounded({"loss": 0.123456789, "moved": 12345678, "rate": None})
    {'loss': 0.123457, 'moved': 12345678, 'rate': None}
    """
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value


def _row(recording: Recording) -> Row:
    last = recording.records[-1]
    return Row(
        recording.preset.title, last.step, last.train.loss, last.eval.loss, last.eval.correct,
        len(last.eval.probabilities),
    )  # fmt: skip


def _each_image(scene: Scene, change: Callable[[str], str | None]) -> Scene:
    def changed(image: SceneImage) -> SceneImage:
        return replace(image, thumbnail=image.thumbnail and change(image.thumbnail))

    return replace(
        scene, train=tuple(map(changed, scene.train)), eval=tuple(map(changed, scene.eval))
    )


def _small(thumbnail: str) -> str:
    with Image.open(BytesIO(b64decode(thumbnail))) as image:
        image.thumbnail((SMALL_SIDE, SMALL_SIDE))
        image.save(file := BytesIO(), "JPEG", quality=60)
    return b64encode(file.getvalue()).decode()


_REDUCTIONS: tuple[tuple[str, Callable[[Scene], Scene]], ...] = (
    (
        "The images are smaller than on the live page, to keep this page small.",
        lambda scene: _each_image(scene, _small),
    ),
    (
        "The images are left out, to keep this page small.",
        lambda scene: _each_image(scene, lambda thumbnail: None),
    ),
)
