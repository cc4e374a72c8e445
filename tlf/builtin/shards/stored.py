"""Indexes in tlf's cache: a shard is read once, until it changes.

There is one file for each address of a shard and each way to find its images. It says which version
of the shard it is about. One that is older, damaged or cut is made anew.
"""

import shutil
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from tlf.builtin.shards.formats import make_index
from tlf.builtin.shards.index import Index, read_index, write_index
from tlf.builtin.shards.samples import Layout
from tlf.data.ranges import Object
from tlf.errors import RunError
from tlf.runtime.files import cache_folder, cache_path, written_whole
from tlf.runtime.strict_json import dumps

FOLDER = "shards"
"""The folder of indexes in tlf's cache."""
_FORMAT = 1
"""Version of what an index holds. Those of other versions are made anew."""
_ABANDONED = 3600.0
"""Seconds after which what a killed process has left is removed."""


def stored_index(source: Object, layout: Layout) -> Index | None:
    """The index of a shard in its version, if it is stored."""
    return read_index(_file(source, layout), _about(source, layout))


def made_index(source: Object, layout: Layout) -> tuple[Index, str]:
    """The index of a shard, which is read once and stored; and why it could not be stored.

    Raises:
        DataError: the shard is cut or damaged, or images and labels do not fit together.
    """
    index, file = make_index(source, layout), _file(source, layout)
    try:
        cache_folder(FOLDER)
        _clear_abandoned(file)
        with written_whole(file) as temporary:
            write_index(temporary, index, _about(source, layout))
    except (OSError, RunError) as error:
        return index, getattr(error, "strerror", None) or str(error)
    return index, ""


def _about(source: Object, layout: Layout) -> dict[str, Any]:
    """What an index is about. Addresses may hold passwords: they are in no file."""
    version = {"size": source.size, "version": source.version}
    return {"format": _FORMAT, **version, **layout.as_json()}


def _file(source: Object, layout: Layout) -> Path:
    """The same for all versions of a shard: a newer index takes the place of an older one."""
    lasting = dumps([source.address, layout.as_json()], sort_keys=True)
    return cache_path(FOLDER) / f"{sha256(lasting.encode()).hexdigest()[:40]}.npz"


def _clear_abandoned(file: Path) -> None:
    """Remove what killed processes have left of a file that was being written."""
    for part in file.parent.glob(f".{file.name}.*"):
        with suppress(OSError):  # another process has just removed it
            if time.time() - part.stat().st_mtime > _ABANDONED:
                shutil.rmtree(part)
