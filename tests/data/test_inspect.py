"""Stored pixels are the pixels that decoding gives, and an image is never taken for another."""

import io
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile, features

from tlf.cache.store import Cache
from tlf.components import Split
from tlf.data.inspect import StoredPixels, inspected
from tlf.data.loading import Decoded, Images, batches_of
from tlf.data.transforms import center_crop, load, load_pixels, loaded_shape
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing
from tlf.recipe.plan import plan_of
from tlf.results import Notice, Prepared, Stored
from tlf.runtime.devices import start_accelerator
from tlf.training.job import open_job, read_images


def encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def rotated(orientation, form="JPEG", **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = noise(61, 40)
    if form == "TIFF":
        return encoded(image, form, tiffinfo={0x0112: orientation}, **options)
    return encoded(image, form, exif=exif, **options)


def noise(width, height):
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def xmp(orientation):
    return f'<x:xmpmeta><rdf:li tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()


TURNING = ["JPEG", "PNG", "TIFF", "WEBP", *(["AVIF"] if features.version("avif") else [])]
"""The formats whose files say which way is up."""
FILES = {
    **{f"{form} turned {turn}": rotated(turn, form) for form in TURNING for turn in range(1, 9)},
    **{
        f"compressed TIFF turned {turn}": rotated(turn, "TIFF", compression="tiff_lzw")
        for turn in range(1, 9)
    },
    "TIFF turned by XMP": encoded(noise(61, 40), "TIFF", tiffinfo={700: xmp(6)}),
    "EXIF of nonsense": rotated(77),
    "TIFF of nonsense": rotated(77, "TIFF"),
    "PNG": encoded(Image.new("RGB", (37, 90)), "PNG"),
    "PNG with alpha": encoded(Image.new("RGBA", (90, 37)), "PNG"),
    "GIF": encoded(Image.new("P", (50, 51)), "GIF"),
    "grey JPEG": encoded(Image.new("L", (45, 80)), "JPEG"),
    "grey PNG of 16 bits": encoded(Image.fromarray(np.zeros((33, 70), np.uint16)), "PNG"),
    "one pixel": encoded(Image.new("1", (1, 1)), "PNG"),
    "CMYK": encoded(Image.new("CMYK", (70, 31)), "JPEG"),
    "WebP": encoded(Image.new("RGB", (31, 32)), "WEBP"),
}


def looked(recipe, *overrides):
    """The job after a look at its images, and what was told of it."""
    plan = plan_of(recipe, overrides)
    generator, told = read_images(open_job(plan, start_accelerator(plan.recipe.precision))), []
    while True:
        try:
            told.append(next(generator))
        except StopIteration as end:
            return end.value, told


def reused(told):
    return [event.reused for event in told if isinstance(event, Stored)]


@pytest.fixture
def places(tmp_path, images):
    """A copy of the images, and a cache: overrides of the recipe."""
    shutil.copytree(images, tmp_path / "own")
    return f"data.root={tmp_path / 'own'}", f"cache.dir={tmp_path / 'cache'}"


def assert_pixels_are_what_load_gives(job):
    for what, split in (("train", job.splits.train), ("eval", job.splits.eval)):
        assert isinstance(job.pixels[what], StoredPixels)
        for index in range(len(split)):
            expected = load(split.read(index), job.preprocessing)
            assert torch.equal(job.pixels[what](index), expected)


def test_stored_pixels_are_what_load_gives(recipe, places):
    for found in (False, True):
        job, told = looked(recipe, *places)
        assert reused(told) == [found, found]
        assert_pixels_are_what_load_gives(job)
        steps = [(e.title, e.done, e.images) for e in told if isinstance(e, Prepared)]
        assert ("reading train images", 20, 20) in steps
        assert (("decoding train images", 20, 20) in steps) is not found


def test_a_image_can_be_changed_by_who_gets_it(recipe, places):
    job, _ = looked(recipe, *places)
    job.pixels["train"](3).zero_()
    assert_pixels_are_what_load_gives(job)


def test_loading_processes_are_sent_the_pixels(recipe, places):
    job, _ = looked(recipe, *places)
    there = pickle.loads(pickle.dumps(job.pixels["train"]))
    assert torch.equal(there(7), job.pixels["train"](7))


@pytest.mark.parametrize("workers", [0, 2])
def test_pixels_that_are_removed_before_they_are_first_loaded_are_loaded(
    recipe, places, tmp_path, workers
):
    job, _ = looked(recipe, *places)
    split = job.splits.eval
    expected = [
        center_crop(load(split.read(i), job.preprocessing), job.preprocessing.size)
        for i in range(4)
    ]
    assert Cache(tmp_path / "cache", 0).clear() > 0
    images = Images(job.pixels["eval"], job.labels["eval"], job.preprocessing.size)
    for _ in range(2):
        batches = batches_of(images, [[(1, 0), (1, 1)], [(1, 2), (1, 3)]], workers, pin=False)
        assert torch.equal(torch.cat([batch.inputs for batch in batches]), torch.stack(expected))


def test_without_a_cache_everything_is_decoded(recipe, places):
    job, told = looked(recipe, *places, 'cache.mode="off"')
    assert isinstance(job.pixels["train"], Decoded)
    assert reused(told) == []
    stored, _ = looked(recipe, *places)
    assert job.manifests == stored.manifests


@pytest.mark.parametrize("change", ["transforms.resize=40", "transforms.size=24"])
def test_pixels_are_those_of_the_recipes_size(recipe, places, change):
    looked(recipe, *places)
    job, told = looked(recipe, *places, change)
    assert reused(told) == [False, False]
    assert_pixels_are_what_load_gives(job)


def test_bad_images_are_left_out_alike(recipe, places, tmp_path):
    train = tmp_path / "own" / "train" / "circles"
    whole = (train / "004.jpg").read_bytes()
    (train / "002.jpg").write_bytes(b"no image at all")
    (train / "004.jpg").write_bytes(whole[: len(whole) // 2])  # begins as one
    skip = 'data.bad_images="skip"'
    plain, _ = looked(recipe, *places, skip, 'cache.mode="off"')
    assert len(plain.splits.train) == 18
    for found in (False, True):
        job, told = looked(recipe, *places, skip)
        assert reused(told) == [found, found]
        titles = [event.title for event in told if isinstance(event, Stored)]
        assert titles == ["18 decoded train images", "11 decoded eval images"]
        assert job.splits.train.names == plain.splits.train.names
        assert job.splits.train.labels == plain.splits.train.labels
        assert job.splits.notes == plain.splits.notes
        assert job.manifests == plain.manifests
        assert_pixels_are_what_load_gives(job)


def test_bad_images_are_told_alike(recipe, places, tmp_path):
    (tmp_path / "own" / "val" / "squares" / "001.jpg").write_bytes(b"GIF89a")
    told = []
    for more in ('cache.mode="off"', 'cache.mode="auto"', 'cache.mode="auto"'):
        with pytest.raises(DataError, match=r"eval: 1 of 11 images cannot be read") as error:
            looked(recipe, *places, more)
        told.append(str(error.value))
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("shape", ["same", "other"])
def test_a_image_that_changes_between_hashing_and_decoding_is_told(
    recipe, places, tmp_path, monkeypatch, shape
):
    folder = tmp_path / "own" / "train" / "circles"
    with Image.open(folder / "003.jpg") as image:
        size = image.size if shape == "same" else (90, 30)
    real = load_pixels

    def changing(data, preprocessing):
        if data == first:
            Image.new("RGB", size).save(folder / "003.jpg")
        return real(data, preprocessing)

    # The first is decoded before the fourth is: one core is used.
    monkeypatch.setattr("tlf.data.inspect.usable_cores", lambda: 1)
    monkeypatch.setattr("tlf.data.inspect.load_pixels", changing)
    first = (folder / "000.jpg").read_bytes()
    with pytest.raises(DataError, match=r"003\.jpg: it changed while it was read"):
        looked(recipe, *places)


def test_what_changed_while_it_was_read_is_not_remembered(recipe, places, tmp_path, monkeypatch):
    """The image as it was is good, whatever it became for a moment."""
    victim = tmp_path / "own" / "train" / "circles" / "003.jpg"
    good, real = victim.read_bytes(), load_pixels

    def changing(data, preprocessing):
        victim.write_bytes(b"half of a copy")
        return real(data, preprocessing)

    with monkeypatch.context() as patched:
        patched.setattr("tlf.data.inspect.usable_cores", lambda: 1)
        patched.setattr("tlf.data.inspect.load_pixels", changing)
        with pytest.raises(DataError, match=r"003\.jpg: it changed while it was read"):
            looked(recipe, *places)
    victim.write_bytes(good)
    job, _ = looked(recipe, *places)
    assert len(job.splits.train) == 20


@pytest.mark.parametrize("form", TURNING)
def test_turned_images_are_stored_the_right_way_up(recipe, places, tmp_path, form):
    circles = tmp_path / "own" / "train" / "circles"
    for turn in range(1, 9):
        (circles / f"turned {turn}.{form.lower()}").write_bytes(rotated(turn, form))
    job, told = looked(recipe, *places)
    assert reused(told) == [False, False]
    assert len(job.splits.train) == 28
    assert_pixels_are_what_load_gives(job)


@pytest.mark.parametrize("foreseen", [(3, 1, 1), (0, 0, 0), "exchanged"])
def test_pixels_of_another_shape_than_foreseen_are_not_stored(
    recipe, places, monkeypatch, tmp_path, foreseen
):
    """As many bytes or not: nothing is written over what is another image's."""
    victim = (tmp_path / "own" / "train" / "circles" / "003.jpg").read_bytes()

    def wrong(data, preprocessing):
        channels, height, width = loaded_shape(data, preprocessing)
        if data != victim:
            return channels, height, width
        return (channels, width, height) if foreseen == "exchanged" else foreseen

    monkeypatch.setattr("tlf.data.inspect.loaded_shape", wrong)
    job, told = looked(recipe, *places)
    (notice,) = [event.text for event in told if isinstance(event, Notice)]
    assert notice.startswith("20 decoded train images: not stored, train/circles/003.jpg is 3 × ")
    assert isinstance(job.pixels["train"], Decoded)
    assert isinstance(job.pixels["eval"], StoredPixels)


def test_another_image_under_the_same_name_size_and_time_is_seen(recipe, places, tmp_path):
    looked(recipe, *places)
    one, other = (tmp_path / "own" / "train" / "circles" / f"00{i}.jpg" for i in (0, 1))
    stamp = one.stat()
    one.write_bytes(other.read_bytes())
    os.utime(one, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    job, told = looked(recipe, *places)
    assert reused(told) == [False, True]
    assert torch.equal(job.pixels["train"](0), job.pixels["train"](1))


def test_images_that_found_no_memory_are_not_remembered_as_broken(recipe, places, monkeypatch):
    def full(*_):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("tlf.data.decode._loaded", full)
        with pytest.raises(MemoryError):
            looked(recipe, *places)
    job, told = looked(recipe, *places)
    assert reused(told) == [False, False]
    assert len(job.splits.train) == 20


def test_images_that_were_too_large_are_decoded_once_they_are_not(recipe, places, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        with pytest.raises(DataError, match=r"too large to be safe"):
            looked(recipe, *places)
    assert_decoded_anew(recipe, places)


def test_half_images_are_reported_once_they_are_no_longer_let_pass(
    recipe, places, tmp_path, monkeypatch
):
    whole = encoded(noise(200, 100), "JPEG")
    (tmp_path / "own" / "train" / "circles" / "003.jpg").write_bytes(whole[: len(whole) // 2])
    with monkeypatch.context() as patched:
        patched.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        looked(recipe, *places)
    with pytest.raises(DataError, match=r"003\.jpg: .*truncated"):
        looked(recipe, *places)


@pytest.mark.parametrize("codec", ["jpg", "libjpeg_turbo", "webp", "avif", "libtiff", "jpg_2000"])
def test_another_codec_decodes_anew(recipe, places, monkeypatch, codec):
    looked(recipe, *places)
    real = features.version
    monkeypatch.setattr(features, "version", lambda name: "0" if name == codec else real(name))
    assert_decoded_anew(recipe, places)


def assert_decoded_anew(recipe, places):
    job, told = looked(recipe, *places)
    assert reused(told) == [False, False]
    assert len(job.splits.train) == 20


def test_what_cannot_be_stored_is_decoded(recipe, places):
    job, told = looked(recipe, *places, "cache.max_gb=0.000001")
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert len(notices) == 2
    assert all("cache.max_gb allows" in notice for notice in notices)
    assert isinstance(job.pixels["eval"], Decoded)
    assert torch.equal(job.pixels["eval"](0), load(job.splits.eval.read(0), job.preprocessing))


BREAKING = """
import os, sys
from dataclasses import replace
from tlf.cache.partial import Partial
from tlf.data import inspect as pixels
from tlf.errors import DataError
from tlf.recipe.plan import plan_of
from tlf.runtime.devices import start_accelerator
from tlf.training.job import open_job, read_images

def fails(*_):
    raise OSError(5, "the disk broke")

def changes(_):
    return b"another image"

def filling(decoding, *rest):
    if decoding.what == "eval" or broken == "write":
        return fill(decoding, *rest)
    read = decoding.split.read
    split = replace(decoding.split, read=lambda i: read(i) if i < 6 else later(i))
    return fill(replace(decoding, split=split), *rest)

broken, recipe, *overrides = sys.argv[1:]
fill, rank = pixels._fill, os.environ["LOCAL_RANK"]
said = open(f"{__file__}.{rank}", "w")
if rank == "1":
    if broken == "write":
        Partial.write = fails
    later = changes if broken == "changed" else fails
    pixels._fill = filling
plan = plan_of(recipe, overrides)
accelerator = start_accelerator(plan.recipe.precision)
try:
    looking = read_images(open_job(plan, accelerator))
    while True:
        event = next(looking)
        if hasattr(event, "text"):
            print("told", event.text, file=said)
except StopIteration as end:
    print("used", *[type(one).__name__ for one in end.value.pixels.values()], file=said)
except DataError as error:
    print("refused", error, file=said)
accelerator.end_training()
"""


@pytest.fixture
def in_two(recipe, places, tmp_path):
    """Look in two processes, of which one meets something broken; what both say."""
    (tmp_path / "look.py").write_text(BREAKING)

    def both(broken):
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        words = ["--nproc_per_node", "2", tmp_path / "look.py", broken, recipe, *places]
        launcher = subprocess.Popen([*start, *map(str, words)], stderr=subprocess.PIPE, text=True)
        try:
            error = launcher.communicate(timeout=100)[1]
        finally:
            launcher.terminate()  # it ends the processes that wait for each other
            launcher.communicate()
        assert launcher.returncode == 0, error
        first, second = (tmp_path / f"look.py.{rank}" for rank in (0, 1))
        assert first.read_text() == second.read_text()
        return first.read_text().splitlines()

    return both


NOT_STORED = "told {} decoded {} images: not stored, the disk broke; computed anew in every epoch"


def test_a_read_that_fails_in_one_process_stops_the_storing_in_both(in_two):
    assert in_two("read") == [NOT_STORED.format(20, "train"), "used Decoded StoredPixels"]


@pytest.mark.slow
def test_a_write_that_fails_in_one_process_stops_the_storing_in_both(in_two):
    train, evaluated = NOT_STORED.format(20, "train"), NOT_STORED.format(11, "eval")
    assert in_two("write") == [train, evaluated, "used Decoded Decoded"]


@pytest.mark.slow
def test_a_image_that_one_process_saw_change_is_told_by_both(in_two):
    (line,) = in_two("changed")
    assert re.fullmatch(r"refused train/\S+: it changed while it was read; start again", line)


def test_a_look_says_what_it_was_told_of_each_image():
    contents = [b"one", b"two", b"three"]
    split = Split(("a", "b", "c"), (0, 0, 0), contents.__getitem__)

    def no_two(data):
        if data == b"two":
            raise DataError("two is bad")

    generator = inspected(split, "train", start_accelerator("auto"), no_two)
    while True:
        try:
            next(generator)
        except StopIteration as end:
            seen = end.value
            break
    assert seen.reasons == {1: "two is bad"}
    assert seen.kept == (0, 2)
    assert len({*seen.digests}) == 3


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
@pytest.mark.parametrize("crop", ["center", "squash"])
@pytest.mark.parametrize("mean", [(0.5, 0.5, 0.5), (0.5,)], ids=["colour", "grey"])
def test_the_shape_is_known_before_a_image_is_decoded(data, crop, mean):
    preprocessing = Preprocessing(size=24, resize=28, crop=crop, mean=mean, std=mean)
    assert loaded_shape(data, preprocessing) == tuple(load(data, preprocessing).shape)


def late(chunk, content):
    """A PNG with a chunk after its pixels, where Pillow reads it too."""
    whole = encoded(noise(61, 40), "PNG")
    body = chunk + content
    end = len(whole) - 12
    piece = struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    return whole[:end] + piece + whole[end:]


def turned_six():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


RAW = b"\nexif\n" + b"%8d\n" % len(turned_six()) + turned_six().hex().encode()
LATE = {
    "eXIf": late(b"eXIf", turned_six().removeprefix(b"Exif\0\0")),
    "text": late(b"tEXt", b"Raw profile type exif\0" + RAW),
    "packed text": late(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(RAW)),
    "XMP": late(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6)),
    "packed XMP": late(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(6))),
}


@pytest.mark.parametrize("data", LATE.values(), ids=LATE)
def test_a_png_may_say_after_its_pixels_which_way_is_up(data):
    preprocessing = Preprocessing(size=24, resize=28)
    assert (
        loaded_shape(data, preprocessing) == tuple(load(data, preprocessing).shape) == (3, 42, 28)
    )


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_nothing_is_decoded_to_know_a_shape(monkeypatch, form):
    data = encoded(noise(61, 40), form)

    def refuse(*_):
        raise AssertionError("it is decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)
    assert loaded_shape(data, Preprocessing(size=24, resize=28)) == (3, 28, 42)


def test_a_image_too_thin_to_resize_takes_no_place(recipe, places, tmp_path):
    thin = encoded(Image.new("RGB", (1, 65_000)), "PNG")
    with pytest.raises(DataError, match="1 × 65000 pixels: too long and thin"):
        loaded_shape(thin, Preprocessing())
    (tmp_path / "own" / "train" / "circles" / "thin.png").write_bytes(thin)
    # The recipe's size is small: make it one at which the image is too large.
    big = ("transforms.resize=256", "transforms.size=224", "cache.max_gb=0.1")
    job, told = looked(recipe, *places, *big, 'data.bad_images="skip"')
    assert reused(told) == [False, False]
    assert len(job.splits.train) == 20


def test_no_image_has_no_shape():
    with pytest.raises(DataError):
        loaded_shape(b"no image", Preprocessing())
