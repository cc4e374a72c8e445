"""Datasets from the hub. What is going to be fetched is said before."""

import sys
from typing import TYPE_CHECKING

from tlf.builtin.hub.asking import asked

if TYPE_CHECKING:
    from datasets import Dataset

_TIMEOUT = 10
"""Seconds to wait for the hub's first answer."""


def remote_tables(name: str, config: str, revision: str) -> "dict[str, Dataset]":
    """Split → what the hub has of it, fetched where it is not there yet.

    Parameters:
        name: ``user/dataset``.
        config: which of its configurations; "" where it has one.
        revision: the commit, tag or branch; "" for the newest.

    Raises:
        DataError: it is not to be had.
    """
    import datasets

    if not datasets.config.HF_HUB_OFFLINE:
        _announce(name, revision)
    found = asked(
        lambda: datasets.load_dataset(name, config or None, revision=revision or None),
        f"cannot load the dataset {name!r}; {_alternatives()}",
    )
    return dict(found)


def _announce(name: str, revision: str) -> None:
    """Say what is going to be fetched from where to where, before it is.

    Raises:
        DataError: the hub does not answer, or has no such dataset.
    """
    import datasets
    from huggingface_hub import HfApi

    endpoint = datasets.config.HF_ENDPOINT
    _say(f"asking {endpoint} for the dataset {name!r}")
    info = asked(
        lambda: HfApi(endpoint=endpoint).dataset_info(
            name, revision=revision or None, files_metadata=True, timeout=_TIMEOUT
        ),
        f"asked {endpoint} for the dataset {name!r} in vain; {_alternatives()}",
    )
    sizes = [file.size or 0 for file in info.siblings or ()]
    _say(
        f"fetching what is not there yet of {name!r}, revision {info.sha}: at most "
        f"{sum(sizes) / 1e6:,.1f} MB in {len(sizes)} files, to {datasets.config.HF_CACHE_HOME}"
    )


def _alternatives() -> str:
    return (
        "data.name may also be a parquet file on the disk, and with HF_HUB_OFFLINE=1 what was "
        "fetched before is used"
    )


def _say(text: str) -> None:
    sys.stderr.write(f"tlf: {text}\n")
    sys.stderr.flush()
