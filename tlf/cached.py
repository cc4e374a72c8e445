"""What runs have computed once and stored, for a person."""

from collections.abc import Iterator
from datetime import datetime

from tlf.caching.cache import Cache, readable_size


def cache_lines(cache: Cache) -> Iterator[str]:
    """One line for each entry, the latest used first: when it was used, its size, what it is. The
    last line is the total, and the folder.
    """
    entries = cache.entries()
    sizes = [readable_size(entry.bytes) for entry in entries]
    width = max(map(len, sizes), default=0)
    for entry, size in zip(entries, sizes, strict=True):
        used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
        yield f"{used}  {size:>{width}}  {entry.title}"
    count = f"{len(entries)} entr{'y' if len(entries) == 1 else 'ies'}"
    yield f"{readable_size(sum(entry.bytes for entry in entries))} in {count} in {cache.folder}"
