"""Stored pixels are the pixels that decoding gives, and no image is taken for another."""

import os
import re

import pytest
import torch
from PIL import Image, ImageFile, features

from forks import run_together
from generators import exhausted
from image_files import TURNING, encoded, noise, rotated
from tlf.builtin.folder import Folder
from tlf.components import Split
from tlf.data.inspection.inspect import inspect_split
from tlf.data.loading import Decoded
from tlf.data.pixel_store import StoredPixels
from tlf.data.transforms import load, load_full, load_pixels
from tlf.errors import DataError, StorageError
from tlf.events import Notice, Prepared, Stored
from tlf.preprocessing import Preprocessing
from tlf.runtime.devices import start_accelerator

PREPROCESSING = Preprocessing(size=32, resize=36)


def reused(events):
    return [event.reused for event in events if isinstance(event, Stored)]


def assert_pixels_are_what_load_gives(usable, preprocessing=PREPROCESSING):
    for name, split in (("train", usable.splits.train), ("eval", usable.splits.eval)):
        assert isinstance(usable.pixels[name], StoredPixels)
        for index in range(len(split)):
            expected = load(split.read(index), preprocessing)
            assert torch.equal(usable.pixels[name](index), expected)


def test_stored_pixels_are_what_load_gives(inspect):
    for found in (False, True):
        usable, events = inspect()
        assert reused(events) == [found, found]
        assert_pixels_are_what_load_gives(usable)
        steps = [(e.title, e.done, e.images) for e in events if isinstance(e, Prepared)]
        assert ("reading train images", 20, 20) in steps
        assert (("decoding train images", 20, 20) in steps) is not found


def test_without_a_cache_everything_is_decoded(inspect):
    usable, events = inspect(stored=False)
    assert isinstance(usable.pixels["train"], Decoded)
    assert reused(events) == []
    stored, _ = inspect()
    assert usable.manifests == stored.manifests


@pytest.mark.parametrize(
    "changed", [Preprocessing(size=32, resize=40), Preprocessing(size=24, resize=27)]
)
def test_images_of_another_size_are_decoded_anew(inspect, changed):
    inspect()
    usable, events = inspect(preprocessing=changed)
    assert reused(events) == [False, False]
    assert_pixels_are_what_load_gives(usable, changed)


def test_unreadable_images_are_left_out_alike(inspect, root):
    train = root / "train" / "circles"
    whole = (train / "004.jpg").read_bytes()
    (train / "002.jpg").write_bytes(b"no image at all")
    (train / "004.jpg").write_bytes(whole[: len(whole) // 2])  # begins as one
    plain, _ = inspect("skip", stored=False)
    assert len(plain.splits.train) == 18
    for found in (False, True):
        usable, events = inspect("skip")
        assert reused(events) == [found, found]
        titles = [event.title for event in events if isinstance(event, Stored)]
        assert titles == ["18 decoded train images", "11 decoded eval images"]
        assert usable.splits.train.names == plain.splits.train.names
        assert usable.splits.train.labels == plain.splits.train.labels
        assert usable.splits.notes == plain.splits.notes
        assert usable.manifests == plain.manifests
        assert_pixels_are_what_load_gives(usable)


def test_no_image_is_left_out_because_storage_is_lost():
    def read(index):
        raise StorageError("cannot read a.tar")

    lost = Split(["a.png"], [0], read)
    with pytest.raises(DataError, match=r"^cannot read a\.tar$"):
        exhausted(inspect_split(lost, "train", start_accelerator("no"), lambda data: None))


def test_unreadable_images_are_reported_alike(inspect, root):
    (root / "val" / "squares" / "001.jpg").write_bytes(b"GIF89a")
    messages = []
    for stored in (False, True, True):
        with pytest.raises(DataError, match=r"eval: 1 of 11 images cannot be read") as error:
            inspect(stored=stored)
        messages.append(str(error.value))
    assert messages[0] == messages[1] == messages[2]


@pytest.mark.parametrize("shape", ["same", "other"])
def test_an_image_that_changes_between_hashing_and_decoding_is_reported(
    inspect, root, monkeypatch, shape
):
    folder = root / "train" / "circles"
    with Image.open(folder / "003.jpg") as image:
        size = image.size if shape == "same" else (90, 30)
    real = load_pixels

    def changing(data, preprocessing):
        if data == first:
            Image.new("RGB", size).save(folder / "003.jpg")
        return real(data, preprocessing)

    # The first is decoded before the fourth is: one core is used.
    monkeypatch.setattr("tlf.data.inspection.for_each_image.usable_cores", lambda: 1)
    monkeypatch.setattr("tlf.data.inspection.decoding.load_pixels", changing)
    first = (folder / "000.jpg").read_bytes()
    with pytest.raises(DataError, match=r"003\.jpg: the file changed while it was read"):
        inspect()


def test_an_image_that_changed_while_it_was_read_is_not_stored(inspect, root, monkeypatch):
    """The image as it was is good, whatever it became for a moment."""
    victim = root / "train" / "circles" / "003.jpg"
    good, real = victim.read_bytes(), load_pixels

    def changing(data, preprocessing):
        victim.write_bytes(b"half of a copy")
        return real(data, preprocessing)

    with monkeypatch.context() as patched:
        patched.setattr("tlf.data.inspection.for_each_image.usable_cores", lambda: 1)
        patched.setattr("tlf.data.inspection.decoding.load_pixels", changing)
        with pytest.raises(DataError, match=r"003\.jpg: the file changed while it was read"):
            inspect()
    victim.write_bytes(good)
    usable, _ = inspect()
    assert len(usable.splits.train) == 20


@pytest.mark.parametrize("kind", TURNING)
def test_rotated_images_are_stored_upright(inspect, root, kind):
    circles = root / "train" / "circles"
    for turn in range(1, 9):
        (circles / f"turned {turn}.{kind.lower()}").write_bytes(rotated(turn, kind))
    usable, events = inspect()
    assert reused(events) == [False, False]
    assert len(usable.splits.train) == 28
    assert_pixels_are_what_load_gives(usable)


def test_another_image_under_the_same_name_size_and_time_is_seen(inspect, root):
    inspect()
    one, other = (root / "train" / "circles" / f"00{i}.jpg" for i in (0, 1))
    stamp = one.stat()
    one.write_bytes(other.read_bytes())
    os.utime(one, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    usable, events = inspect()
    assert reused(events) == [False, True]
    assert torch.equal(usable.pixels["train"](0), usable.pixels["train"](1))


def test_images_that_met_too_little_memory_are_not_stored_as_unreadable(inspect, monkeypatch):
    def full(*_):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("tlf.data.decoding.decode.opened", full)
        with pytest.raises(MemoryError):
            inspect()
    usable, events = inspect()
    assert reused(events) == [False, False]
    assert len(usable.splits.train) == 20


def test_images_that_were_too_large_are_decoded_under_a_higher_limit(inspect, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        with pytest.raises(DataError, match=r"too large to be safe"):
            inspect()
    assert_decoded_anew(inspect)


def test_truncated_images_are_reported_once_pillow_refuses_them(inspect, root, monkeypatch):
    whole = encoded(noise(200, 100), "JPEG")
    (root / "train" / "circles" / "003.jpg").write_bytes(whole[: len(whole) // 2])
    with monkeypatch.context() as patched:
        patched.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        inspect()
    with pytest.raises(DataError, match=r"003\.jpg: .*truncated"):
        inspect()


def test_another_codec_decodes_anew(inspect, monkeypatch):
    inspect()
    real = features.version
    monkeypatch.setattr(features, "version", lambda name: "0" if name == "jpg" else real(name))
    assert_decoded_anew(inspect)


def assert_decoded_anew(inspect):
    usable, events = inspect()
    assert reused(events) == [False, False]
    assert len(usable.splits.train) == 20


def test_images_that_cannot_be_stored_are_decoded(inspect):
    usable, events = inspect(max_gb=0.000001)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert len(notices) == 2
    assert all("cache.max_gb allows" in notice for notice in notices)
    assert isinstance(usable.pixels["eval"], Decoded)
    assert torch.equal(usable.pixels["eval"](0), load(usable.splits.eval.read(0), PREPROCESSING))


BREAKING = """
import os, sys
from dataclasses import replace
from pathlib import Path
from tlf.builtin.folder import Folder
from tlf.cache.partial import Partial
from tlf.cache.store import Cache
from tlf.data.inspection import decoding, for_each_image, inspect, on_all_cores
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing
from tlf.runtime.devices import start_accelerator
from tlf.tasks.single_label import SingleLabel

def fails(*_):
    raise OSError(5, "the disk broke")

def changes(_):
    return b"another image"

def filling(given, *rest):
    if given.split_name == "eval" or broken == "write":
        return fill(given, *rest)
    read = given.split.read
    split = replace(given.split, read=lambda i: read(i) if i < 6 else later(i))
    return fill(replace(given, split=split), *rest)

broken, root, cache, *used = sys.argv[1:]
fill, rank = decoding._fill, os.environ["LOCAL_RANK"]
output = open(f"{__file__}.{rank}", "w")
if broken == "cores":
    on_all_cores._TURNS = 1
    for_each_image.usable_cores = lambda: 10 if rank == "1" else 2
elif rank == "1" and broken != "nothing":
    if broken == "write":
        Partial.write = fails
    later = changes if broken == "changed" else fails
    decoding._fill = filling
splits, preprocessing = Folder(root).build(), Preprocessing(size=32, resize=36)
accelerator = start_accelerator("no")
try:
    events = inspect.inspect_splits(
        splits, preprocessing, "error", SingleLabel(), accelerator, Cache(Path(cache), 10**9),
        used,
    )
    while True:
        event = next(events)
        if hasattr(event, "text"):
            print("notice", event.text, file=output)
except StopIteration as end:
    pixels = [end.value.pixels[name] for name in used]
    print("used", *[type(images).__name__ for images in pixels], file=output)
    if broken == "cores":
        sums = [int(pixels[0](index).sum()) for index in range(len(splits.train))]
        print(*sums, file=output)
except DataError as error:
    print("refused", error, file=output)
output.close()
accelerator.end_training()
"""


@pytest.fixture
def in_two(root, tmp_path):
    """Inspect in two processes, of which one meets something broken; what both report."""
    (tmp_path / "inspecting.py").write_text(BREAKING)

    def both(broken, used=("train", "eval")):
        words = [tmp_path / "inspecting.py", broken, root, tmp_path / "cache", *used]
        run_together(2, words, tmp_path)
        first, second = (tmp_path / f"inspecting.py.{rank}" for rank in (0, 1))
        assert first.read_text() == second.read_text()
        return first.read_text().splitlines()

    return both


NOT_STORED = "notice {} decoded {} images: not stored, the disk broke; computed anew in every epoch"


def test_a_read_that_fails_in_one_process_stops_the_storing_in_both(in_two):
    assert in_two("read") == [NOT_STORED.format(20, "train"), "used Decoded StoredPixels"]


@pytest.mark.slow
def test_a_write_that_fails_in_one_process_stops_the_storing_in_both(in_two):
    train, evaluated = NOT_STORED.format(20, "train"), NOT_STORED.format(11, "eval")
    assert in_two("write") == [train, evaluated, "used Decoded Decoded"]


def test_a_write_of_a_measured_image_that_fails_in_one_process_stops_the_storing_in_both(in_two):
    evaluated = NOT_STORED.format(11, "eval")
    full = evaluated.replace("11 decoded eval images", "20 train images at full resolution")
    assert in_two("write", ("full", "eval")) == [full, evaluated, "used Decoded Decoded"]


def test_two_processes_store_images_at_full_resolution(in_two):
    used = in_two("nothing", ("full", "eval", "train"))
    assert used == ["used StoredPixels StoredPixels StoredPixels"]


def test_processes_on_different_numbers_of_cores_leave_no_image_out(in_two, root):
    train = Folder(str(root)).build().train
    sums = [int(load(train.read(index), PREPROCESSING).sum()) for index in range(len(train))]
    assert in_two("cores") == ["used StoredPixels StoredPixels", " ".join(map(str, sums))]


@pytest.mark.slow
def test_an_image_that_one_process_saw_change_is_reported_by_both(in_two):
    (line,) = in_two("changed")
    assert re.fullmatch(r"refused train/\S+: the file changed while it was read; run again", line)


def test_an_inspection_holds_the_outcome_of_each_image():
    contents = [b"one", b"two", b"three"]
    split = Split(("a", "b", "c"), (0, 0, 0), contents.__getitem__)

    def no_two(data):
        if data == b"two":
            raise DataError("two is bad")

    generator = inspect_split(split, "train", start_accelerator("auto"), no_two)
    inspection, _ = exhausted(generator)
    assert inspection.reasons == {1: "two is bad"}
    assert inspection.readable == (0, 2)
    assert len({*inspection.digests}) == 3


def test_an_image_too_thin_to_resize_takes_no_place(inspect, root):
    thin = encoded(Image.new("RGB", (1, 65_000)), "PNG")
    (root / "train" / "circles" / "thin.png").write_bytes(thin)
    # At a small size the resized image would not be too large.
    usable, events = inspect("skip", Preprocessing(size=224, resize=256), 0.1)
    assert reused(events) == [False, False]
    assert len(usable.splits.train) == 20


FULL = ("full", "eval")


def titles(events):
    return [event.title for event in events if isinstance(event, Stored)]


def assert_full_pixels_are_what_load_full_gives(usable):
    assert isinstance(usable.pixels["full"], StoredPixels)
    for index in range(len(usable.splits.train)):
        expected = load_full(usable.splits.train.read(index), Preprocessing())
        image = usable.pixels["full"](index)
        assert torch.equal(image, expected)
        assert image.stride() == expected.stride()


def test_images_at_full_resolution_are_stored_instead(inspect):
    for found in (False, True):
        usable, events = inspect(used=FULL)
        assert reused(events) == [found, found]
        assert titles(events)[0] == "20 train images at full resolution"
        assert_full_pixels_are_what_load_full_gives(usable)
        assert isinstance(usable.pixels["train"], Decoded)
    usable, events = inspect(preprocessing=Preprocessing(size=24, resize=27), used=FULL)
    assert reused(events) == [True, False]  # they are the same for every size
    assert usable.manifests == inspect(stored=False)[0].manifests


def test_both_are_stored_where_both_are_used(inspect):
    usable, events = inspect(used=("train", *FULL))
    assert len(titles(events)) == 3
    assert_full_pixels_are_what_load_full_gives(usable)
    assert_pixels_are_what_load_gives(usable)


def test_grey_images_at_full_resolution_have_one_channel(inspect):
    grey = Preprocessing(size=32, resize=36, mean=(0.5,), std=(0.5,))
    usable, _ = inspect(preprocessing=grey, used=FULL)
    for index in range(20):
        expected = load_full(usable.splits.train.read(index), grey)
        assert torch.equal(usable.pixels["full"](index), expected)


def test_full_resolution_takes_at_most_a_quarter_of_the_budget(inspect, root):
    usable, _ = inspect(stored=False, used=FULL)
    size = sum(usable.pixels["full"](i).numel() for i in range(20))
    usable, events = inspect(max_gb=3.9 * size / 1e9, used=FULL)
    (notice,) = [event.text for event in events if isinstance(event, Notice)]
    assert "20 train images at full resolution: not stored, it takes " in notice
    assert "for full-pixels; computed anew in every epoch" in notice
    assert isinstance(usable.pixels["full"], Decoded)
    assert isinstance(usable.pixels["eval"], StoredPixels)
    usable, _ = inspect(max_gb=4.1 * size / 1e9, used=FULL)
    assert isinstance(usable.pixels["full"], StoredPixels)


def test_where_reading_is_slow_full_resolution_is_decoded_anew(inspect, root, monkeypatch):
    def slow(*_):
        raise OSError("to read one takes 9 ms, to decode it 2 ms")

    monkeypatch.setattr("tlf.data.inspection.decoding.check_worth_storing", slow)
    (root / "train" / "circles" / "002.jpg").write_bytes(b"no image at all")
    usable, events = inspect("skip", used=("train", *FULL))
    (notice,) = [event.text for event in events if isinstance(event, Notice)]
    assert "full resolution: not stored, to read one takes 9 ms, to decode it 2 ms;" in notice
    assert len(usable.splits.train) == 19
    assert_pixels_are_what_load_gives(usable)
    assert torch.equal(
        usable.pixels["full"](2), load_full(usable.splits.train.read(2), Preprocessing())
    )


def test_unreadable_images_are_left_out_at_full_resolution(inspect, root):
    train = root / "train" / "circles"
    whole = (train / "004.jpg").read_bytes()
    (train / "002.jpg").write_bytes(b"no image at all")
    (train / "004.jpg").write_bytes(whole[: len(whole) // 2])
    thin = encoded(Image.new("RGB", (1, 65_000)), "PNG")  # too thin to resize alone
    (train / "thin.png").write_bytes(thin)
    large = Preprocessing(size=224, resize=256)
    plain, _ = inspect("skip", large, stored=False)
    assert len(plain.splits.train) == 19
    for found in (False, True):
        usable, events = inspect("skip", large, used=FULL)
        assert reused(events) == [found, found]
        assert usable.manifests == plain.manifests
        assert_full_pixels_are_what_load_full_gives(usable)
    usable, _ = inspect("skip", large, used=("train", *FULL))
    assert len(usable.splits.train) == 18
    assert_full_pixels_are_what_load_full_gives(usable)
    assert_pixels_are_what_load_gives(usable, large)


def test_an_image_of_both_splits_is_resized_in_one_alone(inspect, root):
    data = (root / "train" / "circles" / "003.jpg").read_bytes()
    (root / "val" / "circles" / "001.jpg").write_bytes(data)
    usable, _ = inspect(used=("train", *FULL))
    assert_full_pixels_are_what_load_full_gives(usable)
    assert_pixels_are_what_load_gives(usable)
