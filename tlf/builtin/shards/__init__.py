"""Images in archives and parquet files, each read at its place."""

from tlf.builtin.shards.dataset import Shards
from tlf.hookspecs import hookimpl


@hookimpl
def tlf_datasets() -> dict[str, type]:
    """Offer images in shards."""
    return {"shards": Shards}
