"""Inspecting a copy of the images, with a cache."""

import shutil

import pytest

from generators import exhausted
from tlf.builtin.folder import Folder
from tlf.cache.store import Cache
from tlf.data.inspection.inspect import inspect_splits
from tlf.preprocessing import Preprocessing
from tlf.runtime.devices import start_accelerator
from tlf.tasks.single_label import SingleLabel

PREPROCESSING = Preprocessing(size=32, resize=36)


@pytest.fixture
def root(tmp_path, images):
    """A copy of the images, to be changed."""
    return shutil.copytree(images, tmp_path / "own")


@pytest.fixture
def inspect(tmp_path, root):
    """Inspect the images with a cache; give the usable ones, and the events."""

    def inspect(
        bad_images="error",
        preprocessing=PREPROCESSING,
        max_gb=1.0,
        *,
        stored=True,
        used=("train", "eval"),
        verify="content",
    ):
        cache = Cache(tmp_path / "cache", int(max_gb * 1e9)) if stored else None
        splits, accelerator = Folder(str(root)).build(), start_accelerator("no")
        return exhausted(
            inspect_splits(
                splits, preprocessing, bad_images, SingleLabel(), accelerator, cache, used,
                verify=verify,
            )
        )  # fmt: skip

    return inspect
