"""Where tlf keeps things: its cache, and the folder of a run."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlf.errors import RunError


def is_run(folder: Path) -> bool:
    """Whether a run has begun in a folder. A recipe alone may be anybody's."""
    return all((folder / name).is_file() for name in ("provenance.json", "recipe.toml"))


def unfinished_run(folder: Path) -> Path:
    """The same folder, if it is one of a run that has not ended.

    Raises:
        RunError: it is not.
    """
    if not is_run(folder):
        raise RunError(f"{folder} is not the folder of a run; name one, such as runs/mine")
    if (folder / "model.safetensors").is_file():
        raise RunError(f"the run in {folder} has ended; there is nothing to go on with")
    return folder


def cache_folder(name: str) -> Path:
    """The folder ``name`` in tlf's cache: ``$TLF_CACHE``, or ``tlf`` in the user's cache folder.

    Raises:
        RunError: the folder cannot be made.
    """
    root = os.environ.get("TLF_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tlf"
    )
    folder = Path(root).expanduser().resolve() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot make the cache folder {folder}: {error.strerror}; "
            "set TLF_CACHE to a folder that can be written"
        ) from error
    return folder


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


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path to write to; rename it to ``path`` when all went well, else remove it.

    A file is never under its final name before it is whole, whatever stops the program.
    """
    # A folder to itself: libraries write files beside the one that they are asked for.
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART))
    side = aside / path.name
    try:
        yield side
        with side.open("rb") as file:
            os.fsync(file.fileno())
        os.chmod(side, 0o666 & ~_umask())
        os.replace(side, path)
    finally:
        shutil.rmtree(aside)


_PART = ".part"
"""What the names of the folders end in that files are written in."""


def remove_parts(folder: Path) -> None:
    """Remove what was being written in a folder when the program was killed."""
    for aside in list(folder.rglob(f".*{_PART}")):
        shutil.rmtree(aside)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
