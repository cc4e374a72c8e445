import threading

import pytest
import torch

from stored_images import COUNT, SIZE, batches, check_batches, stored
from tlf.builtin.augmentations import CropFlip
from tlf.data.loading import Images
from tlf.data.stored_batches import are_read_whole, stored_batches

CPU = torch.device("cpu")


@pytest.fixture
def images(tmp_path):
    return Images(stored(tmp_path), torch.arange(100) * 2, SIZE)


def check(images, keys, device, threads=4):
    pin = device.type == "cuda"
    found = (part.on(device) for [part] in stored_batches(images, keys, threads, pin=pin))
    check_batches(found, images, keys)


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize(("type_", "channels"), [("uint8", 3), ("uint16", 3), ("uint16", 1)])
def test_batches_are_whole_and_in_order(tmp_path, type_, channels, seed):
    images = Images(stored(tmp_path, type_, channels), torch.arange(100) * 2, SIZE)
    check(images, batches(40, 5, 1, 20, 3, 2, seed=seed), CPU)


def test_an_image_may_come_twice(images):
    check(images, [[(0, 3), (0, 3), (0, 4), (0, 3)]], CPU)


@pytest.mark.gpu
@pytest.mark.parametrize("type_", ["uint8", "uint16"])
def test_centres_are_cut_on_the_device(tmp_path, type_):
    images = Images(stored(tmp_path, type_), torch.arange(100) * 2, SIZE)
    check(images, batches(40, 5, 1, 20, seed=1), torch.device("cuda"))


def test_what_follows_in_the_entry_is_read_at_once(images, monkeypatch):
    read, whole = [], type(images.pixels.entry).read_into

    def noted(entry, buffer, start):
        read.append(len(buffer))
        whole(entry, buffer, start)

    monkeypatch.setattr(type(images.pixels.entry), "read_into", noted)
    [*_] = stored_batches(images, batches(32), 1, pin=False)
    assert len(read) == 1
    [*_] = stored_batches(images, [[(0, 9), (0, 10), (0, 3)]], 1, pin=False)
    assert len(read) == 3


def test_images_are_decoded_anew_where_the_entry_was_cut(images):
    expected = [images.pixels(index) for index in range(COUNT)]
    images.pixels.entry.opened()
    with (images.pixels.entry.folder / "data").open("r+b") as file:
        file.truncate(900)
    check(images, batches(40, 20), CPU)
    assert all(torch.equal(images.pixels(i), image) for i, image in enumerate(expected))


def test_an_error_comes_with_its_batch(images):
    def decoded(index):
        raise OSError("it was removed")

    vars(images.pixels)["decoded"] = decoded
    images.pixels.entry.opened()
    with (images.pixels.entry.folder / "data").open("r+b") as file:
        file.truncate(int(images.pixels.starts[20]))
    found = stored_batches(images, batches(20, 20), 2, pin=False)
    assert len(next(found)[0].labels) == 20
    with pytest.raises(OSError, match="it was removed"):
        next(found)


def test_a_stop_ends_all_reading(images):
    """Nothing is read any more, and no thread is left."""
    before = threading.active_count()
    found = stored_batches(images, batches(20, 20, 20), 2, pin=False)
    next(found)
    found.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("pin", [True, False])
def test_memory_is_asked_for_in_one_thread(images, monkeypatch, pin):
    """The first thread of a process has its GPU; others would start the first one of the host."""
    asked, empty = [], torch.empty

    def noted(*shape, pin_memory, **more):
        asked.append((threading.current_thread() is threading.main_thread(), pin_memory))
        return empty(*shape, **more)

    monkeypatch.setattr(torch, "empty", noted)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    [*_] = stored_batches(images, batches(20, 3), 2, pin=pin)
    assert asked == [(True, pin)] * 2


@pytest.mark.gpu
def test_page_locked_memory(images):
    [[part]] = stored_batches(images, batches(5), 2, pin=True)
    assert part.pixels.is_pinned()
    assert part.places.is_pinned()
    assert part.labels.is_pinned()


def test_what_is_not_read_whole(images):
    """Images that are augmented, prepared or padded."""
    labels, pixels = images.labels, images.pixels
    assert are_read_whole(images)
    assert not are_read_whole(Images(pixels, labels, SIZE, (CropFlip(),)))
    assert not are_read_whole(Images(pixels, labels, SIZE, prepare=(torch.clone,)))
    assert not are_read_whole(Images(pixels, labels, SIZE + 1))
    assert not are_read_whole(Images(pixels.decoded, labels, SIZE))
    pixels.shapes[5] = 0  # it cannot be decoded
    assert are_read_whole(images)
