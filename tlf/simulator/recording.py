"""The recorded page: every preset's steps in one file, which plays them without the program."""

import os
import re
import shlex
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path

from PIL import Image

from tlf.cache.store import readable_size
from tlf.data.inspection.inspect import Events
from tlf.errors import DataError, TlfError
from tlf.events import Notice, Prepared
from tlf.simulator.costs import Costs
from tlf.simulator.messages import scene_as_json
from tlf.simulator.page import simulator_page
from tlf.simulator.page.compact import compact, rounded
from tlf.simulator.records import StepRecord
from tlf.simulator.scene import Preset, Scene, SceneImage
from tlf.simulator.sentences import told
from tlf.simulator.simulation import Simulation

STEPS = 12
"""Of each preset."""
MOST_BYTES = 2_000_000
"""A page is smaller than this, so that it can be sent by mail."""
SMALL_SIDE = 48
"""Side in pixels of the thumbnails of a page that is too large with its own."""
_FOLDERS = re.compile(r"(?<![\w.:/\\])(?:[A-Za-z]:)?[/\\](?:[^/\\]+[/\\])*(?=[^/\\])")
"""The folders of an absolute path."""


@dataclass(frozen=True)
class Recording:
    """What the steps of a preset have done."""

    preset: Preset
    records: tuple[StepRecord, ...]
    """The network before the first step, and then each step."""
    costs: Costs
    """What its steps cost."""


@dataclass(frozen=True)
class Recordings:
    """What a recorded page shows and plays."""

    scene: Scene
    presets: tuple[Recording, ...]
    command: str
    """What opens the live page, for settings that were not recorded. Files are named without their
    folders."""


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
            costs = simulation.costs(preset.settings)
            records = yield from _steps(simulation, number, steps)
        except TlfError as error:
            failed.append(error)
            note = f"The preset “{preset.title}” was not recorded: {error}"
            scene = replace(scene, notes=(*scene.notes, note))
            yield Notice(note)
        else:
            recordings.append(Recording(preset, records, costs))
    if not recordings:
        raise failed[0]
    command = shlex.join(map(_last_part, shlex.split(command)))
    return Recordings(_without_folders(scene), tuple(recordings), command)


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
        yield Prepared("recording steps", done, steps * sum(batches))
        if records[-1].broken is not None:
            break
    return tuple(records)


def _without_folders(scene: Scene) -> Scene:
    """A scene that others may see: images are named by their place in the folder that holds all of
    them, and notes name no folder of this computer.
    """
    folder = _common_folder([Path(image.name) for image in (*scene.train, *scene.eval)])

    def inside(images: tuple[SceneImage, ...]) -> tuple[SceneImage, ...]:
        return tuple(replace(image, name=short(Path(image.name))) for image in images)

    def short(path: Path) -> str:
        if not path.is_absolute():
            return str(path)
        return (path.relative_to(folder) if folder else Path(*path.parts[-2:])).as_posix()

    notes = scene.notes
    if folder:
        notes = tuple(note.replace(os.path.join(folder, ""), "") for note in notes)
    return replace(
        scene,
        train=inside(scene.train),
        eval=inside(scene.eval),
        notes=tuple("".join(map(_last_part, re.split(r"(\s+)", note))) for note in notes),
    )


def _common_folder(paths: Sequence[Path]) -> Path | None:
    """The folder that holds all files of absolute paths; None where that is the root of a disk."""
    folders = [path.parent for path in paths if path.is_absolute()]
    for folder in (folders[0], *folders[0].parents) if folders else ():
        if folder != folder.parent and all(one.is_relative_to(folder) for one in folders):
            return folder
    return None


def _last_part(word: str) -> str:
    """A word, or an argument of a command, with the last part of each absolute path alone.

    >>> _last_part("data.root=/home/me/my images"), _last_part("runs/one"), _last_part("https://a/b")
    ('data.root=my images', 'runs/one', 'https://a/b')
    """
    return _FOLDERS.sub("", word)


def write_recording(recordings: Recordings, path: Path) -> tuple[str, ...]:
    """Write the recorded page.

    Returns:
        What was left out to keep the page below ``MOST_BYTES``, one sentence each.

    Raises:
        DataError: it would be larger, even without any picture.
        OSError: the file cannot be written.
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
    path.write_text(html, encoding="utf-8")
    return notes


def recorded_page(recordings: Recordings) -> str:
    """The page as HTML."""
    return simulator_page(
        scene_as_json(recordings.scene),
        recordings.command,
        {
            "command": recordings.command,
            "costs": {one.preset.id: rounded(asdict(one.costs)) for one in recordings.presets},
            **compact(
                {one.preset.id: one.records for one in recordings.presets},
                [stage.name for stage in recordings.scene.stages],
            ),
        },
    )


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
