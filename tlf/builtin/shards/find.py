"""The shards that a pattern names, and their indexes."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tlf.builtin.shards.samples import Layout
from tlf.builtin.shards.split import Members, members_of
from tlf.builtin.shards.stored import FOLDER, made_index, stored_index
from tlf.data.ranges import Object, find, open_object
from tlf.data.ranges.addresses import is_stream, shown
from tlf.errors import DataError
from tlf.runtime.cores import usable_cores
from tlf.runtime.files import cache_path

_ANNOUNCED = 200e6
"""From so many bytes on, it is said that shards are read once."""


def find_members(pattern: str, layout: Layout) -> tuple[Members, tuple[str, ...]]:
    """The images in the shards that a pattern names, and notes for the user.

    Raises:
        DataError: there are no such shards, or something is wrong with one of them.
    """
    if is_stream(pattern):
        raise DataError(
            f"{pattern:.200} is a stream: it has no length, so that no image in it can be read on "
            "its own; write its output to a file, or write the address of the file itself "
            "(https://…, s3://…)"
        )
    with ThreadPoolExecutor(usable_cores()) as pool:
        sources = list(pool.map(open_object, find(pattern)))
        stored = list(pool.map(lambda source: stored_index(source, layout), sources))
        new = [source for source, index in zip(sources, stored, strict=True) if index is None]
        _announce(new)
        made = list(pool.map(lambda source: made_index(source, layout), new))
    indexes = iter([index for index, _ in made])
    every = [next(indexes) if index is None else index for index in stored]
    return members_of(shown(pattern), sources, every), _notes([why for _, why in made if why])


def _announce(new: Sequence[Object]) -> None:
    size = sum(source.size for source in new)
    if size >= _ANNOUNCED:
        shards = f"{len(new)} shards" if len(new) > 1 else new[0].shown
        sys.stderr.write(
            f"tlf: reading {shards} once ({size / 1e9:,.1f} GB): the index is kept in "
            f"{cache_path(FOLDER)}\n"
        )
        sys.stderr.flush()


def _notes(reasons: Sequence[str]) -> tuple[str, ...]:
    if not reasons:
        return ()
    return (
        f"indexes that could not be stored in {cache_path(FOLDER)}: {len(reasons)} ({reasons[0]}); "
        "every run reads these shards whole: set TLF_CACHE to a folder that can be written to",
    )
