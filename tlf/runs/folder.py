"""The folder of a run: where it is made, and whether a run in it can go on."""

import json
import tempfile
from pathlib import Path

from tlf.errors import RunError
from tlf.runtime.files import is_run

FORMAT = 2
"""Of the files in a run's folder, as provenance.json says it. Runs of format 1 are read, but not
resumed: they know neither tasks nor metrics."""


def unfinished_run(folder: Path) -> Path:
    """The same folder, if it is one of a run that has not ended.

    Raises:
        RunError: it is not.
    """
    if not is_run(folder):
        raise RunError(f"{folder} is not the folder of a run; name one, such as runs/mine")
    if (folder / "model.safetensors").is_file():
        raise RunError(f"the run in {folder} has ended; there is nothing to resume")
    if (found := _format(folder / "provenance.json")) != FORMAT:
        whose = "a newer" if found > FORMAT else "an older"
        raise RunError(
            f"the run in {folder} is of format {found}, from {whose} tlf, and this tlf resumes "
            f"format {FORMAT}: finish it with the tlf that began it, or start it anew"
        )
    return folder


def _format(provenance: Path) -> int:
    """The format of a run's files; those of format 1 do not say it."""
    try:
        found: int = json.loads(provenance.read_text(encoding="utf-8")).get("format", 1)
    except (OSError, ValueError, AttributeError) as error:
        raise RunError(f"{provenance} is damaged: {error}; start the run anew") from error
    return found


def new_run_folder(output: str) -> Path:
    """Make the folder of a new run: ``output``, or ``output-2``, ``output-3`` … if it is taken.

    Raises:
        RunError: the folder cannot be made.
    """
    number = 1
    while True:
        folder = _numbered(output, number)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            raise _unwritable(output, error.strerror) from error
        return folder


def latest_run_folder(output: str) -> Path | None:
    """The folder that the newest run of ``output`` has made, if there is one."""
    number, found = 1, None
    while (folder := _numbered(output, number)).is_dir():
        number, found = number + 1, folder
    return found


def _numbered(output: str, number: int) -> Path:
    wanted = _path(output)
    return wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")


def check_writable(output: str) -> None:
    """Find out whether a run folder could be made, and leave nothing behind.

    Raises:
        RunError: it could not.
    """
    folder = _path(output).absolute()
    try:
        if folder.is_file():
            raise _unwritable(output, "it is a file")
        parent = next(p for p in folder.parents if p.exists())
        with tempfile.TemporaryDirectory(dir=parent, prefix=".tlf-") as trial:
            Path(trial, folder.name).mkdir()
    except OSError as error:
        raise _unwritable(output, error.strerror) from error


def _path(output: str) -> Path:
    if "\0" in output:
        raise RunError(f"output = {output!r} is no name for a folder")
    folder = Path(output).expanduser()
    # Where these lead to is a folder with a name, which a number can be added to.
    return folder if folder.name not in ("", "..") else folder.resolve()


def _unwritable(output: str, reason: str | None) -> RunError:
    return RunError(
        f"cannot write the run folder {output}: {reason}; "
        "write output=some/other/folder after the recipe"
    )
