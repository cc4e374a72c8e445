"""Decoded images in the cache: what their key depends on, and how they are read."""

import json
import pickle
import tracemalloc
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from math import prod
from pathlib import Path
from zlib import compress

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image, ImageFile, features

from generators import exhausted
from tlf.builtin.folder import Folder
from tlf.cache.entry import Entry
from tlf.cache.store import Cache
from tlf.data.inspection.inspect import inspect_splits
from tlf.data.loader import Loader
from tlf.data.loading import Images
from tlf.data.pixel_store import index_of, noted_index, pixels_title, wanted_pixels
from tlf.data.transforms import center_crop, load
from tlf.preprocessing import Preprocessing
from tlf.tasks.single_label import SingleLabel

PREPROCESSING = Preprocessing(size=32, resize=36)
DIGESTS = [sha256(bytes([i])).digest() for i in range(3)]


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path, 10**9)


@pytest.fixture
def usable(cache, images):
    """The images of a folder, decoded and stored."""
    splits = Folder(str(images)).build()
    task, accelerator = SingleLabel(), Accelerator(cpu=True)
    inspecting = inspect_splits(splits, PREPROCESSING, "error", task, accelerator, cache)
    return exhausted(inspecting)[0]


def key():
    return wanted_pixels(DIGESTS, "train", PREPROCESSING).name


def test_a_stored_image_is_the_decoded_image(usable):
    stored, split = usable.pixels["train"], usable.splits.train
    for index in (0, 7, 19):
        assert torch.equal(stored(index), load(split.read(index), PREPROCESSING))
        assert stored(index).numel() == prod(stored.shapes[index])


def test_changing_an_image_in_place_does_not_change_the_stored_one(usable):
    before = usable.pixels["train"](3).clone()
    usable.pixels["train"](3).zero_()
    assert torch.equal(usable.pixels["train"](3), before)


def test_stored_pixels_can_be_pickled_for_loading_processes(usable):
    there = pickle.loads(pickle.dumps(usable.pixels["train"]))
    assert torch.equal(there(7), usable.pixels["train"](7))


@pytest.mark.parametrize("workers", [0, 2])
def test_pixels_that_are_removed_before_they_are_first_loaded_are_loaded(cache, usable, workers):
    split, size = usable.splits.eval, PREPROCESSING.size
    expected = [center_crop(load(split.read(i), PREPROCESSING), size) for i in range(4)]
    assert Cache(cache.folder, 0).clear() > 0
    images = Images(usable.pixels["eval"], torch.tensor(split.labels), size)
    for _ in range(2):
        batches = Loader(images, workers, pin=False).batches([[(1, 0), (1, 1)], [(1, 2), (1, 3)]])
        inputs = [part.inputs for parts in batches for part in parts]
        assert torch.equal(torch.cat(inputs), torch.stack(expected))


def test_the_key_depends_on_the_images_and_their_order():
    others = [DIGESTS[::-1], DIGESTS[:2], [*DIGESTS[:2], b""]]
    names = {wanted_pixels(digests, "train", PREPROCESSING).name for digests in [DIGESTS, *others]}
    assert len(names) == 4


def test_the_key_depends_on_the_resizing_but_not_on_the_normalization():
    def named(**changes):
        return wanted_pixels(DIGESTS, "train", replace(PREPROCESSING, **changes)).name

    assert len({key(), named(resize=40), named(interpolation="bicubic")}) == 3
    assert named(mean=(0.5, 0.5, 0.5)) == key()


@pytest.mark.parametrize("codec", ["jpg", "libjpeg_turbo", "webp", "avif", "libtiff", "jpg_2000"])
def test_the_key_depends_on_every_codec(monkeypatch, codec):
    before, real = key(), features.version
    monkeypatch.setattr(features, "version", lambda name: "0" if name == codec else real(name))
    assert key() != before


@pytest.mark.parametrize(
    ("module", "setting"), [(Image, "MAX_IMAGE_PIXELS"), (ImageFile, "LOAD_TRUNCATED_IMAGES")]
)
def test_the_key_depends_on_pillows_settings(monkeypatch, module, setting):
    before = key()
    monkeypatch.setattr(module, setting, 1234)
    assert key() != before


def test_the_key_tells_full_resolution_from_resized_and_depends_on_no_size_there():
    def full(**changes):
        return wanted_pixels(DIGESTS, "full", replace(PREPROCESSING, **changes))

    assert full().name != key()
    assert full(resize=40, size=40, interpolation="bicubic").name == full().name
    assert full(mean=(0.5,), std=(0.5,)).name != full().name  # grey
    assert (full().kind, full().share) == ("full-pixels", 0.25)
    assert full().title == "3 train images at full resolution"


def test_the_title_counts_the_images_that_were_read():
    wanted = wanted_pixels([*DIGESTS, b""], "eval", PREPROCESSING)
    assert (wanted.kind, wanted.title) == ("pixels", "3 decoded eval images")
    assert wanted.title == pixels_title(3, "eval")


def entry_of(shapes=((3, 2, 2), (3, 1, 2)), **changes):
    index = json.loads(json.dumps(noted_index(np.array(shapes), {1: "empty"})))
    return Entry(Path("entry"), "", 18, index | changes)


def packed(data):
    return b64encode(compress(data)).decode()


def test_an_index_tells_where_every_image_is():
    for shapes in ([[3, 2, 2], [3, 1, 2]], [[3, 2, 2], [0, 0, 0]]):
        entry = entry_of(shapes)
        found = index_of(entry, 2)
        assert (found.shapes.tolist(), found.starts.tolist()) == (shapes, [0, 12])
        assert (found.shapes.dtype, found.starts.dtype) == (np.int32, np.int64)
        assert found.reasons == {1: "empty"}
        assert index_of(entry, 1) is None
        assert index_of(entry, 3) is None
        assert index_of(replace(entry, bytes=17 if shapes[1][0] else 11), 2) is None


def test_the_index_of_very_many_images_is_small():
    widths = np.random.default_rng(0).integers(224, 400, 100_000)
    shapes = np.stack([np.full_like(widths, 3), np.full_like(widths, 224), widths], 1)
    assert len(json.dumps(noted_index(shapes, {}))) < 4 * len(shapes)


def test_no_more_is_unpacked_than_the_images_need():
    entry = entry_of(packed=packed(bytes(10**8)))
    tracemalloc.start()
    assert index_of(entry, 2) is None
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10**6


@pytest.mark.parametrize(
    "entry",
    [
        entry_of([[3, 2, 2]]), entry_of([[3, 2, 2], [3, 1, 3]]), entry_of([[3, 2, 2], [-3, 1, 2]]),
        entry_of([[2**31 - 1] * 3, [3, 1, 2]]), entry_of([[2**30, 2**30, 2**4], [3, 1, 2]]),
        entry_of(packed="ab"), entry_of(packed="é"), entry_of(packed=None), entry_of(packed=[[3]]),
        entry_of(packed=b64encode(bytes(24)).decode()), entry_of(packed=packed(bytes(23))),
        entry_of(packed=packed(bytes(25))), entry_of(packed=packed(b"")),
        entry_of(reasons={"2": "empty"}), entry_of(reasons={"x": "empty"}),
        entry_of(reasons={"0": 1}), entry_of(reasons=[]),
        Entry(Path("entry"), "", 18, None), Entry(Path("entry"), "", 18, []),
    ],
)  # fmt: skip
def test_an_index_that_does_not_is_refused(entry):
    assert index_of(entry, 2) is None
