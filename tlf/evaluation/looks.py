"""How often the test split of a run was looked at: a small file in the run's folder counts it.

A figure of a test split is honest as long as nobody has chosen by it. Nobody can forbid a second
look; so it is counted, and every page says so.
"""

import json
import os
import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

from tlf.errors import RunError, TlfWarning
from tlf.runtime.files import write_whole
from tlf.runtime.regular_file import read_regular
from tlf.runtime.strict_json import dumps

FILE = "test_looks.json"
"""In the folder of a run. It is there since the first look."""
FORMAT = 1
"""It rises where a reader of the file has to change. Keys may be added without."""
_MOST_BYTES = 2**24
"""The most bytes that the file may hold."""


@dataclass(frozen=True)
class Look:
    """One evaluation on the test split."""

    at: str
    """When: ISO 8601, in UTC."""
    command: str
    """What does the same."""
    model_sha256: str | None
    """SHA-256 of the model's file; None for a run that has not written one."""
    images: int
    """How many of its images were evaluated."""
    images_sha256: str
    """SHA-256 over the names, labels and bytes of the images."""
    under: str | None = None
    """What the images were called, where they were not named as the test split."""


def now() -> str:
    """The time as a look has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def command_of(
    name: str,
    models: Sequence[Path],
    overrides: Sequence[str],
    options: Mapping[str, str | PathLike[str] | None],
) -> str:
    """The command that evaluates the same. ``name``: what it is called, with its flags;
    ``options``: those that have a value.

    >>> given = {"--split": "test", "--tta": None}
    >>> command_of("evaluate", [Path("runs/mine")], ["data.seed=1"], given)
    'tlf evaluate runs/mine data.seed=1 --split test'
    """
    given = [part for key, value in options.items() if value for part in (key, str(value))]
    return shlex.join(["tlf", *name.split(), *map(str, models), *overrides, *given])


def read_looks(folder: Path) -> tuple[Look, ...]:
    """The looks at the test split of a run, the first one first.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return ()
    try:
        content = json.loads(read_regular(path, _MOST_BYTES))
        looks = tuple(Look(**one) for one in content["looks"])
        if not all(isinstance(one.at, str) and isinstance(one.command, str) for one in looks):
            raise TypeError("at and command must be texts")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RunError(
            f"{path} is damaged, which counts the looks at the test split: {error}; put it back, "
            "or remove it and say that the count is lost"
        ) from error
    return looks


def count_look(folder: Path, look: Look) -> tuple[Look, ...]:
    """Add a look to those of a run, and return all of them. Processes that look at the same time
    wait for each other, and all count.

    Raises:
        RunError: the file is damaged.
        UnwritableError: it cannot be written.
    """
    with _alone(folder):
        looks = (*read_looks(folder), look)
        text = dumps({"format": FORMAT, "looks": [asdict(one) for one in looks]}, indent=1)
        write_whole(folder / FILE, f"{text}\n")
    return looks


def check_countable(folder: Path) -> None:
    """Check that a look can be counted, before anything is computed.

    Raises:
        RunError: it cannot.
    """
    read_looks(folder)
    if not os.access(folder, os.W_OK):
        raise RunError(
            f"a look at the test split is counted in {folder}, which cannot be written to; allow "
            "that, or copy the run to where it can"
        )


def sentences(looks: Sequence[Look]) -> Iterator[str]:
    """What the looks at a test split mean for who quotes a figure of it."""
    if not looks:
        return
    if (last := looks[-1]).under is not None:
        are = "image is" if last.images == 1 else "images are"
        yield f"{last.images:,} {are} in the test split of the run: {last.under} counts as a look"
    if len(looks) == 1:
        yield f"The test split was looked at once, on {_time(looks[0])}"
        return
    models = len({look.model_sha256 for look in looks})
    of = "the same model" if models == 1 else f"{models:,} models"
    yield (
        f"The test split was looked at {len(looks):,} times, with {of}, first on "
        f"{_time(looks[0])} and last on {_time(looks[-1])}"
    )
    yield (
        "Only the first look is an honest estimate. Whoever changes a model after a look, or keeps "
        "the best of several, has chosen by these images: their figures become too high, as those "
        "of the eval split are. New images would be honest again"
    )
    if len({look.images_sha256 for look in looks}) > 1:
        yield "The test images, their names or their labels have changed between the looks"


def _time(look: Look) -> str:
    return f"{look.at[:16].replace('T', ' at ')} UTC"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process counts a look in the same folder."""
    try:
        import fcntl
    except ImportError:  # on Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:  # on some network file systems
            warnings.warn(
                f"{folder} cannot be locked ({error.strerror}): of looks at the test split at the "
                "same moment, one may be missing in the count",
                TlfWarning,
                stacklevel=2,
            )
        yield
    finally:
        os.close(handle)
