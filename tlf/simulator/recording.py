"""The recorded page: every preset's steps in one file, which plays them without the program."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from tlf.cache.store import readable_size
from tlf.data.inspection.inspect import Events
from tlf.errors import DataError, TlfError
from tlf.events import Notice, Prepared
from tlf.runtime.files import write_whole
from tlf.simulator.messages import record_as_json, scene_as_json
from tlf.simulator.page import Row, simulator_page
from tlf.simulator.records import StageRecord, StepRecord
from tlf.simulator.scene import Preset, Scene, SceneImage
from tlf.simulator.sentences import sentences
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


@dataclass(frozen=True)
class Recordings:
    """What a recorded page shows and plays."""

    scene: Scene
    presets: tuple[Recording, ...]
    command: str
    """What opens the live page, for settings that were not recorded."""


def record(
    simulation: Simulation, command: str, steps: int = STEPS
) -> Generator[Events, None, Recordings]:
    """Make the steps of every preset. One that cannot train is left out, and the page says so.

    Parameters:
        simulation: the recipe.
        command: what opens the live page.
        steps: of each preset; fewer where a number is no longer finite.

    Raises:
        TlfError: no preset can train.
    """
    scene, recordings, failed = simulation.scene, [], []
    for number, preset in enumerate(scene.presets):
        try:
            records = yield from _steps(simulation, number, steps)
        except TlfError as error:
            failed.append(error)
            note = f"The preset “{preset.title}” was not recorded: {error}"
            scene = replace(scene, notes=(*scene.notes, note))
            yield Notice(note)
        else:
            recordings.append(Recording(preset, records))
    if not recordings:
        raise failed[0]
    return Recordings(scene, tuple(recordings), command)


def _steps(
    simulation: Simulation, number: int, steps: int
) -> Generator[Events, None, tuple[StepRecord, ...]]:
    """The records of a preset. Progress is counted in images, over all presets."""
    scene = simulation.scene
    batches = [preset.settings.batch for preset in scene.presets]
    lane = simulation.lane(scene.presets[number].settings)
    records = [told(scene, lane.start(), None)]
    for step in range(steps):
        records.append(told(scene, lane.make_step(), records[-1]))
        done = steps * sum(batches[:number]) + (step + 1) * batches[number]
        yield Prepared("record", done, steps * sum(batches))
        if records[-1].broken is not None:
            break
    return tuple(records)


def told(scene: Scene, record: StepRecord, before: StepRecord | None) -> StepRecord:
    """A record with its sentences."""
    return replace(record, sentences=sentences(scene, record, before))


def write_recording(recordings: Recordings, path: Path) -> tuple[str, ...]:
    """Write the recorded page, whole or not at all. A file of that name is replaced.

    Returns:
        What was left out to keep the page below ``MOST_BYTES``, one sentence each.

    Raises:
        DataError: it would be larger, even without any picture.
        UnwritableError: the file cannot be written.
    """
    notes: tuple[str, ...] = ()
    html = recorded_page(recordings)
    for reduced, smaller in _REDUCTIONS:
        if len(html.encode()) < MOST_BYTES:
            break
        notes = reduced
        recordings = smaller(recordings)
        html = recorded_page(_with_notes(recordings, notes))
    if (size := len(html.encode())) >= MOST_BYTES:
        scene = recordings.scene
        raise DataError(
            f"the recorded page must have less than {readable_size(MOST_BYTES)}, got "
            f"{readable_size(size)} for {len(scene.classes):,} classes and {len(scene.stages)} "
            f"stages; open the live page: {recordings.command}"
        )
    write_whole(path, html)
    return notes


def recorded_page(recordings: Recordings) -> str:
    """The page as HTML."""
    return simulator_page(
        scene_as_json(recordings.scene),
        recordings.command,
        recordings_as_json(recordings),
        [_row(recording) for recording in recordings.presets],
    )


def recordings_as_json(recordings: Recordings) -> dict[str, Any]:
    """Recordings for the page: what repeats stands once, numbers are rounded to ``DIGITS``
    significant digits.
    """
    columns = [field.name for field in fields(StageRecord)]
    pictures: dict[str, int] = {}
    return {
        "command": recordings.command,
        "stages": [stage.name for stage in recordings.scene.stages],
        "columns": columns,
        "presets": {
            recording.preset.id: {
                "records": [_compact(one, columns, pictures) for one in recording.records]
            }
            for recording in recordings.presets
        },
        "pictures": [*pictures],
    }


def _compact(
    record: StepRecord, columns: Sequence[str], pictures: dict[str, int]
) -> dict[str, Any]:
    """A record without its settings, which are those of the preset; its stages are rows, and its
    picture is one of all that the page has.
    """
    content = record_as_json(record)
    del content["settings"]
    rows = [[stage[name] for name in columns] for stage in content["stages"].values()]
    if record.filters is not None:
        content["filters"] = pictures.setdefault(record.filters, len(pictures))
    compact: dict[str, Any] = rounded({**content, "stages": rows})
    return compact


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


def _with_notes(recordings: Recordings, notes: Sequence[str]) -> Recordings:
    scene = recordings.scene
    return replace(recordings, scene=replace(scene, notes=(*scene.notes, *notes)))


def _without_filters(recordings: Recordings) -> Recordings:
    return replace(
        recordings,
        presets=tuple(
            replace(one, records=tuple(replace(record, filters=None) for record in one.records))
            for one in recordings.presets
        ),
    )


def _small_images(recordings: Recordings) -> Recordings:
    return _each_image(recordings, _small)


def _without_images(recordings: Recordings) -> Recordings:
    return _each_image(recordings, lambda thumbnail: None)


def _each_image(recordings: Recordings, change: Callable[[str], str | None]) -> Recordings:
    def changed(image: SceneImage) -> SceneImage:
        return replace(image, thumbnail=image.thumbnail and change(image.thumbnail))

    scene = recordings.scene
    train, unseen = tuple(map(changed, scene.train)), tuple(map(changed, scene.eval))
    return replace(recordings, scene=replace(scene, train=train, eval=unseen))


def _small(thumbnail: str) -> str:
    with Image.open(BytesIO(b64decode(thumbnail))) as image:
        image.thumbnail((SMALL_SIDE, SMALL_SIDE))
        image.save(file := BytesIO(), "JPEG", quality=60)
    return b64encode(file.getvalue()).decode()


_NO_FILTERS = "The first layer's filters are left out, to keep this page small."
_SMALL_IMAGES = "The images are smaller than on the live page, to keep this page small."
_NO_IMAGES = "The images are left out, to keep this page small."
_REDUCTIONS: tuple[tuple[tuple[str, ...], Callable[[Recordings], Recordings]], ...] = (
    ((_NO_FILTERS,), _without_filters),
    ((_NO_FILTERS, _SMALL_IMAGES), _small_images),
    ((_NO_FILTERS, _NO_IMAGES), _without_images),
)
"""What is done to a page that is too large, one after another, and what it then says."""
