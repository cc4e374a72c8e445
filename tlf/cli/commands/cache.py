"""``tlf cache``."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli.output import echo

if TYPE_CHECKING:
    from tlf.cache.store import Cache


@click.command()
@click.option("--clear", is_flag=True, help="Remove all entries.")
@click.option(
    "--dir", "folder", metavar="FOLDER", help="Use this folder instead of tlf's own cache."
)
def command(*, clear: bool, folder: str | None) -> None:
    """List or clear the cache: what runs have computed once."""
    from tlf.cache.store import readable_size

    cache = tlf.open_cache(folder)
    if clear:
        echo(f"removed {readable_size(cache.clear())} from {cache.folder}")
        return
    for line in cache_lines(cache):
        echo(line)


def cache_lines(cache: "Cache") -> Iterator[str]:
    """Yield a line for each entry, most recently used first: time of use, size, title.

    The last line has the total and the folder.
    """
    from tlf.cache.store import readable_size

    entries = cache.entries()
    sizes = [readable_size(entry.bytes) for entry in entries]
    width = max(map(len, sizes), default=0)
    for entry, size in zip(entries, sizes, strict=True):
        used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
        yield f"{used}  {size:>{width}}  {entry.title}"
    count = f"{len(entries)} entr{'y' if len(entries) == 1 else 'ies'}"
    yield f"{readable_size(sum(entry.bytes for entry in entries))} in {count} in {cache.folder}"
