"""Files that are written whole or not at all, the cache folder, and what a run folder is."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EEXIST, EINVAL
from itertools import count
from pathlib import Path

from tlf.errors import RunError, UnwritableError, nearest
from tlf.runtime.text import printable


def is_run(folder: Path) -> bool:
    """Whether a run has begun in a folder. A recipe alone does not show it."""
    return all((folder / name).is_file() for name in ("provenance.json", "recipe.toml"))


def near_runs(path: Path) -> str:
    """The end of an error about a file that a run should have: the run that was probably meant, out
    of those that have such a file in the same folder, or beside it.
    """
    folder = path.parent if path.parent.is_dir() else path.parent.parent
    runs = sorted(str(file.parent) for file in folder.glob(f"*/{path.name}"))
    return f"; {nearest(str(path.parent), runs)}" if runs else ""


def home_expanded(name: str) -> Path:
    """A path with ``~`` or ``~user`` replaced by that user's folder.

    Raises:
        RunError: there is no such user.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise RunError(
            f"{name} is in the folder of a user that does not exist; write the whole path"
        ) from None


def absolute(path: str | os.PathLike[str]) -> Path:
    """A path from the root of the disk. A relative one starts in the working directory; ``~`` and
    ``~user`` are a user's folder; links stay.

    Raises:
        RunError: it is the address of something elsewhere, there is no such user, the working
            directory is gone, or its name is no text.
    """
    if re.match(r"\w[\w+.-]*://", os.fspath(path)):
        raise RunError(f"{path} is an address; download what is there, and write its path")
    given = home_expanded(os.fspath(path))
    try:
        whole = given if given.is_absolute() else Path.cwd() / given
        str(whole).encode()
    except FileNotFoundError:
        advice = "write an absolute path, or start in another directory"
        raise RunError(
            f"{given} is relative to a working directory that is gone; {advice}"
        ) from None
    except UnicodeEncodeError:
        raise RunError(f"{str(whole)!r} must be UTF-8; rename what it names") from None
    if "\0" in str(whole):
        raise RunError(f"a path must not contain the character NUL, got {str(given)!r}; remove it")
    tidy = Path(os.path.normpath(whole))
    # Behind a link, ".." does not lead back.
    return tidy if os.path.realpath(tidy) == os.path.realpath(whole) else whole


def with_absolute(path: str | os.PathLike[str]) -> str:
    """A path in an error: as it was given, and the absolute one, if that is another.

    >>> with_absolute("/no/such/file")
    '/no/such/file'
    """
    given, whole = os.fspath(path), str(absolute(path))
    return given if whole == given else f"{given} ({whole})"


def default_folder(kind: str, source: str | os.PathLike[str]) -> Path:
    """The folder for what was found out about a recipe or a folder of images.

    >>> str(default_folder("probes", "recipes/a.toml"))
    'probes/a'
    >>> str(default_folder("checks", "my/images.2/")), str(default_folder("curves", "/"))
    ('checks/images.2', 'curves/images')
    """
    path = absolute(source)
    name = path.stem if path.suffix == ".toml" else path.name
    return Path(kind, printable(name) or "images")


def from_here(path: Path) -> Path:
    """A path as a person may write it: relative where it lies in the working directory."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def cache_path(name: str) -> Path:
    """The path of ``name`` in tlf's cache: ``$TLF_CACHE``, or ``tlf`` in the user's cache folder.
    Nothing is made.
    """
    root = os.environ.get("TLF_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tlf"
    )
    return Path(os.path.realpath(home_expanded(root))) / name


def cache_folder(name: str) -> Path:
    """The folder ``name`` in tlf's cache.

    Raises:
        RunError: the folder cannot be made.
    """
    folder = cache_path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot make the cache folder {folder}: {error.strerror}; "
            "set TLF_CACHE to a folder that can be written to"
        ) from error
    return folder


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to. At the end, rename it to ``path``; on error, remove it.

    A file has its final name only when it is whole, whatever stops the program.

    Raises:
        OSError: the file cannot be written, or something else than a file has its name.
    """
    path = Path(os.path.realpath(path))  # a link is followed, not replaced
    if path.exists() and not path.is_file():
        raise OSError(EINVAL, "it is not a regular file")
    # A folder of its own: libraries may write other files beside the one that is asked for.
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART))
    temporary = folder / path.name
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # an error of the writing is what counts


OTHER_FOLDER = "write --output some/other/folder"
"""What an error says of a folder that a command cannot create."""


def write_folder(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a new folder, whole or not at all, and return it: the first of ``folder_names`` that is
    free.

    Parameters:
        path: the folder; folders around it are made.
        write: called with a temporary folder beside it, to write the files.

    Raises:
        RunError: it cannot be written.
    """
    check_creatable(path)
    first = next(folder_names(path))
    with _creating(path, OTHER_FOLDER):
        first.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=first.parent, prefix=f".{first.name}.", suffix=_PART))
        try:
            write(temporary)
            os.chmod(temporary, 0o777 & ~_umask())
            final = next(folder for folder in folder_names(path) if not os.path.lexists(folder))
            os.rename(temporary, final)
            return final
        except UnwritableError as error:  # it names a file in the temporary folder
            raise UnwritableError(str(error).replace(str(temporary), str(first))) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)  # it is there after an error only


def new_folder(path: Path, advice: str) -> Path:
    """Create a folder: the first of ``folder_names`` that is free. ``advice``: what to write for
    another one.

    Raises:
        RunError: it cannot be created.
    """
    with _creating(path, advice):
        for folder in folder_names(path):
            with suppress(FileExistsError):
                folder.mkdir(parents=True)
                return folder
    raise RuntimeError("there are numbers without end")


def check_creatable(path: Path, advice: str = OTHER_FOLDER) -> None:
    """Check that a folder can be created, and leave nothing behind. ``advice``: what to write for
    another one.

    Raises:
        RunError: it cannot.
    """
    folder = next(folder_names(path)).absolute()
    with _creating(path, advice):
        if folder.is_file():
            raise OSError(EEXIST, "it is a file")
        parent = next(p for p in folder.parents if p.exists())
        with tempfile.TemporaryDirectory(dir=parent, prefix=".tlf-") as trial:
            Path(trial, folder.name).mkdir()


def folder_names(path: Path) -> Iterator[Path]:
    """What a new folder may be called: ``path``, ``path-2``, ``path-3`` and so on."""
    # Resolved, "." and ".." have a name to which a number can be added.
    first = path if path.name not in ("", "..") else path.resolve()
    yield first
    yield from (first.with_name(f"{first.name}-{number}") for number in count(2))


@contextmanager
def _creating(folder: Path, advice: str) -> Iterator[None]:
    """Name the folder that cannot be created."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"cannot write the folder {folder}: {reason}; {advice}") from error


_PART = ".part"
"""Suffix of the temporary folders that files are written in."""


def remove_parts(folder: Path) -> None:
    """Remove the temporary folders that a killed program left in a folder."""
    for part in list(folder.rglob(f".*{_PART}")):
        shutil.rmtree(part, ignore_errors=True)


def check_page_name(path: Path) -> None:
    """Check the name of a page to write, which replaces a file of that name: a recipe or an image
    must not be lost by a slip.

    Raises:
        UnwritableError: it is not that of a page.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UnwritableError(
            f"the name of a page must end in .html, got {path}; write a name such as page.html"
        )


def check_free(path: Path, *, overwrite: bool) -> None:
    """Check that a file to write replaces none unasked, not even a link that leads nowhere.

    Raises:
        RunError: it exists, and ``overwrite`` is not asked for.
    """
    if os.path.lexists(path) and not overwrite:
        raise RunError(
            f"{path} exists; write --overwrite to replace it, or --output for another file"
        )


def write_whole(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        UnwritableError: the file cannot be written.
    """
    with writing(path), written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file that cannot be written.

    Raises:
        UnwritableError: instead of the ``OSError`` of what writes it.
    """
    try:
        yield
    except OSError as error:
        raise UnwritableError(f"cannot write {path}: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
