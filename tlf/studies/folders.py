"""Where the files of a study go."""

from os import PathLike
from pathlib import Path

from tlf.runtime.files import absolute
from tlf.runtime.text import printable


def default_folder(studies: str, source: str | PathLike[str]) -> Path:
    """The folder of a study of a recipe or of a folder of images.

    >>> str(default_folder("probes", "recipes/a.toml"))
    'probes/a'
    >>> str(default_folder("curves", "my/images.2/"))
    'curves/images.2'
    """
    path = absolute(source)
    return Path(studies, printable(path.stem if path.suffix == ".toml" else path.name) or "study")
