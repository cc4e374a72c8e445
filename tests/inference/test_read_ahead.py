"""Images are read in threads, a few ahead, in order."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from PIL import Image

from tlf.data.transforms import center_crop, load
from tlf.errors import DataError, StorageError
from tlf.inference.read_ahead import StoredImage, read_ahead
from tlf.preprocessing import Preprocessing

SMALL = Preprocessing(size=32, resize=36)


@pytest.fixture
def files(images):
    return sorted(map(str, images.rglob("*.jpg")))


def test_the_pixels_are_those_that_training_reads(files):
    found = list(read_ahead(files, SMALL, by=4))
    assert [path for path, _ in found] == files
    for path, pixels in found:
        with open(path, "rb") as file:
            expected = center_crop(load(file.read(), SMALL), 32)
        assert torch.equal(pixels, expected)
        assert pixels.dtype == torch.uint8


def test_no_more_are_taken_than_are_read_ahead(files):
    taken = []
    found = read_ahead((taken.append(path) or path for path in files), SMALL, by=3)
    for number, _ in enumerate(found, 1):
        assert len(taken) == min(number + 3, len(files))


def test_it_reads_beside_the_use_of_what_was_read():
    """The next images are ready while the first is used, and no thread is left at the end."""
    before, read = threading.active_count(), threading.Event()

    class Noted(Image.Image):
        def load(self):
            read.set()
            return super().load()

    plain = Image.new("RGB", (40, 40))
    noted = Noted()
    noted.__dict__.update(Image.new("RGB", (40, 40)).__dict__)
    found = read_ahead([plain, noted, plain, plain], SMALL, by=1)
    next(found)
    assert read.wait(30)
    found.close()
    assert threading.active_count() == before


def test_each_error_is_raised_or_passed_on_in_order(files, tmp_path):
    (tmp_path / "empty.jpg").touch()
    given = [files[0], str(tmp_path / "gone.jpg"), b"", str(tmp_path / "empty.jpg"), files[1]]
    problems = []
    found = [path for path, _ in read_ahead(given, SMALL, problems.append, by=2)]
    assert found == [files[0], files[1]]
    assert list(map(str, problems)) == [
        f"{tmp_path}/gone.jpg: No such file or directory; name an image file",
        "image 2: the file is empty",
        f"{tmp_path}/empty.jpg: the file is empty",
    ]
    with pytest.raises(DataError, match=r"gone\.jpg: No such file"):
        list(read_ahead(given, SMALL, by=2))


def test_an_error_keeps_no_bytes_of_its_file():
    """Where thousands of files cannot be read, their errors are all that stays in memory."""
    problems = []
    list(read_ahead([b"no image"], SMALL, problems.append, by=1))
    assert (problems[0].__traceback__, problems[0].__cause__) == (None, None)


def test_a_long_image_is_not_kept_whole(tmp_path):
    Image.new("RGB", (4000, 40)).save(tmp_path / "long.png")
    [(_, pixels)] = read_ahead([str(tmp_path / "long.png")], SMALL, by=1)
    assert pixels.untyped_storage().nbytes() == 3 * 32 * 32


def test_a_generator_that_is_alive_as_python_ends_is_closed_without_a_word(files, monkeypatch):
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)
    found = read_ahead(files, SMALL, by=2)
    next(found)

    def shutdown(*_, **__):
        raise AttributeError("'NoneType' object has no attribute 'Empty'")  # as it does then

    with monkeypatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "shutdown", shutdown)
        found.close()


def test_an_image_of_a_dataset_is_read_in_a_thread_and_named_in_errors(files):
    main = threading.get_ident()

    def read():
        assert threading.get_ident() != main
        with open(files[0], "rb") as file:
            return file.read()

    def gone():
        raise FileNotFoundError(2, "No such file or directory")

    images = [StoredImage("one", read), StoredImage("two", gone), StoredImage("three", bytes)]
    errors = []
    ((name, pixels),) = read_ahead(images, SMALL, errors.append, by=2)
    assert name == "one"
    ((_, expected),) = read_ahead(files[:1], SMALL, by=2)
    assert torch.equal(pixels, expected)
    told = ["two: No such file or directory", "three: the file is empty"]
    assert [str(error) for error in errors] == told


def test_a_lost_storage_is_no_unreadable_image():
    def lost():
        raise StorageError("cannot read a.tar")

    errors = []
    with pytest.raises(StorageError, match=r"^cannot read a\.tar$"):
        list(read_ahead([StoredImage("one", lost)], SMALL, errors.append, by=2))
    assert errors == []


def test_more_than_the_centre_may_be_taken(files):
    def both(image, size):
        return torch.stack([center_crop(image, size), center_crop(image, size).flip(-1)])

    ((_, cut),) = read_ahead(files[:1], SMALL, by=1, crop=both)
    ((_, pixels),) = read_ahead(files[:1], SMALL, by=1)
    assert torch.equal(cut, torch.stack([pixels, pixels.flip(-1)]))
