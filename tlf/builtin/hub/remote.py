"""Datasets from the hub. A download is announced before it starts."""

import sys
from typing import TYPE_CHECKING

from tlf.builtin.hub.library import call_library

if TYPE_CHECKING:
    from datasets import Dataset

_TIMEOUT = 10
"""Seconds to wait for the hub's first answer."""


def remote_tables(name: str, config: str, revision: str) -> "dict[str, Dataset]":
    """Split → its table, downloaded where it is not in the cache.

    Parameters:
        name: ``user/dataset``.
        config: the name of its configuration; "" where it has one only.
        revision: the commit, tag or branch; "" for the newest.

    Raises:
        DataError: it cannot be loaded.
    """
    import datasets

    if not datasets.config.HF_HUB_OFFLINE:
        _announce(name, revision)
    found = call_library(
        lambda: datasets.load_dataset(name, config or None, revision=revision or None),
        f"cannot load the dataset {name!r}; {_alternatives()}",
    )
    return dict(found)


def _announce(name: str, revision: str) -> None:
    """Print what is going to be downloaded, from where to where.

    Raises:
        DataError: the hub does not answer, or has no such dataset.
    """
    import datasets
    from huggingface_hub import HfApi

    endpoint = datasets.config.HF_ENDPOINT
    _print(f"asking {endpoint} for the dataset {name!r}")
    info = call_library(
        lambda: HfApi(endpoint=endpoint).dataset_info(
            name, revision=revision or None, files_metadata=True, timeout=_TIMEOUT
        ),
        f"{endpoint} does not give the dataset {name!r}; {_alternatives()}",
    )
    sizes = [file.size or 0 for file in info.siblings or ()]
    _print(
        f"downloading the missing files of {name!r}, revision {info.sha}: at most "
        f"{sum(sizes) / 1e6:,.1f} MB in {len(sizes)} files, to {datasets.config.HF_CACHE_HOME}"
    )


def _alternatives() -> str:
    return "data.name may also be a parquet file on the disk, and HF_HUB_OFFLINE=1 uses the cache"


def _print(text: str) -> None:
    sys.stderr.write(f"tlf: {text}\n")
    sys.stderr.flush()
