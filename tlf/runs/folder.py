"""The folder of a run: where a new run gets its own, and whether a run can be resumed."""

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlf.errors import RunError, in_shell
from tlf.runtime.files import check_creatable, is_run, new_folder, with_absolute
from tlf.runtime.regular_file import read_regular
from tlf.runtime.stored.state import check_state, state_summary

if TYPE_CHECKING:
    from tlf.training.job import Job

FORMAT = 2
"""The format of the files in a run's folder, recorded in provenance.json. Runs of format 1 can be
read but not resumed: they record neither task nor metrics."""

_ADVICE = "write output=some/other/folder after the recipe"


@dataclass(frozen=True)
class RunStarted:
    """A run has its folder and is about to train."""

    folder: Path
    job: "Job" = field(repr=False)
    epochs: int
    """How many epochs were finished before; 0 unless the run is resumed."""


def check_is_run(folder: Path) -> None:
    """Check that a run has begun in a folder.

    Raises:
        RunError: it has not.
    """
    if not is_run(folder):
        raise RunError(
            f"{with_absolute(folder)} is not the folder of a run; write one, such as runs/mine"
        )


def check_trained(folder: Path) -> None:
    """Check that the model in a folder was trained there, and is no mean of other runs' models.

    Raises:
        RunError: it is a soup, which has no epochs.
    """
    if "soup" in read_provenance(folder):
        run = in_shell(folder)
        raise RunError(
            f"{folder} is a soup, the mean of the weights of runs: it has no epochs of its own. "
            f"Evaluate it, with a page: tlf evaluate {run}; to train it further, write "
            f'start_from = "{folder}" in a recipe'
        )


def has_ended(folder: Path) -> bool:
    """Whether a run has trained all of its phases, and written its model.

    A run that was stopped on request has written a model, too, and its state says where it goes on.
    """
    if not (folder / "model.safetensors").is_file():
        return False
    stored, phases = state_summary(folder), _phases(folder)
    if stored is None or not phases:
        return True
    # A run that is given more to train may be killed before it stores its first state with it.
    as_recorded = len(stored["depends"]["phases"]) == len(phases) and all(
        key not in stored or phases[-1].get(key) == stored[key]
        for key in ("epochs", "early_stopping")
    )
    return bool(stored["ended"]) and as_recorded


def resumable_run(folder: Path, *, further: bool = False) -> Path:
    """Return the folder, if it holds a run that can go on.

    Parameters:
        folder: the folder.
        further: whether the recipe is changed, so that a run that has ended may go on, too.

    Raises:
        RunError: the folder holds no run, one that has ended, or one of another format; or its
            state cannot be read.
    """
    check_is_run(folder)
    check_trained(folder)
    check_state(folder)
    if not further and has_ended(folder):
        raise RunError(
            f"the run in {folder} has ended; there is nothing to resume. To train it further, "
            f"write: {more_epochs(folder)}"
        )
    if (number := _format(folder)) != FORMAT:
        version = "a newer" if number > FORMAT else "an older"
        raise RunError(
            f"the run in {folder} has format {number}, from {version} tlf, and this tlf resumes "
            f"format {FORMAT}; resume it with the tlf that started it, or start a new run"
        )
    return folder


def more_epochs(folder: Path) -> str:
    """The command that gives the last phase of a run that has ended one more epoch."""
    phases = _phases(folder)
    name, epochs = (phases[-1].get(key) for key in ("name", "epochs")) if phases else (0, None)
    more = epochs + 1 if isinstance(epochs, int) else "…"
    return f"tlf resume {in_shell(folder)} phases.{name}.epochs={more}"


def recorded_recipe(folder: Path) -> dict[str, Any]:
    """The recipe that a run has recorded, as TOML has it; empty where it cannot be read."""
    try:
        return tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _phases(folder: Path) -> list[dict[str, Any]]:
    """The phases in a run's recipe; none where it cannot be read."""
    try:
        return [dict(phase) for phase in recorded_recipe(folder)["phases"]]
    except (ValueError, LookupError, TypeError):
        return []


def read_provenance(folder: Path) -> dict[str, Any]:
    """What provenance.json in the folder of a run says.

    Raises:
        RunError: it cannot be read.
    """
    path = folder / "provenance.json"
    try:
        content = json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {error}; start a new run") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} is damaged: it records no format; start a new run")
    return content


def _format(folder: Path) -> int:
    """The format of a run's files; format 1 does not record it."""
    number = read_provenance(folder).get("format", 1)
    if type(number) is not int or number < 1:  # true is no number either
        path = folder / "provenance.json"
        raise RunError(f"{path} is damaged: it records no format; start a new run")
    return number


def new_run_folder(output: str) -> Path:
    """Create the folder of a new run: ``output``, or ``output-2``, ``output-3`` … if it exists.

    Raises:
        RunError: the folder cannot be created.
    """
    return new_folder(Path(output), _ADVICE)


def check_writable(output: str) -> None:
    """Check that the folder of a run can be created, and leave nothing behind.

    Raises:
        RunError: it cannot.
    """
    check_creatable(Path(output), _ADVICE)
