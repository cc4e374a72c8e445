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


def write_whole(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with written_whole(path) as side:
        side.write_text(text, encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
