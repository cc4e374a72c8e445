import pytest
import torch

from stored_images import batches, check_batches, stored
from tlf.data.loader import Loaders
from tlf.data.loading import Images
from tlf.data.resident_pixels import ResidentPixels, Residents

CPU = torch.device("cpu")


@pytest.mark.parametrize(("type_", "channels"), [("uint8", 3), ("uint16", 3), ("uint16", 1)])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_batches_are_those_of_the_store(tmp_path, type_, channels, device):
    images = Images(stored(tmp_path, type_, channels), torch.arange(100) * 2, 4)
    resident = ResidentPixels.read(images.pixels, torch.device(device))
    assert resident.values.device.type == device
    keys = batches(40, 5, 1, 20, seed=1)
    check_batches(resident.batches(images, keys), images, keys)


def test_images_are_held_from_the_second_time_on(tmp_path):
    """In the first epoch it is not known how much memory training takes."""
    pixels, residents = stored(tmp_path), Residents()
    assert residents.of(pixels, CPU) is None
    held = residents.of(pixels, CPU)
    assert held is residents.of(pixels, CPU) is not None
    residents.release()
    assert residents.of(pixels, CPU) is None


def test_an_entry_that_was_cut_is_not_held(tmp_path):
    pixels, residents = stored(tmp_path), Residents()
    pixels.entry.opened()
    with (pixels.entry.folder / "data").open("r+b") as file:
        file.truncate(900)
    assert [residents.of(pixels, CPU) for _ in range(3)] == [None] * 3


@pytest.mark.gpu
def test_a_gpu_gives_the_same_batches_in_every_epoch(tmp_path):
    images, keys = Images(stored(tmp_path), torch.arange(100), 4), batches(40, 5, 1, seed=2)
    with Loaders(1, torch.device("cuda")) as loaders:
        for _ in range(3):
            check_batches(loaders.batches(images, keys), images, keys)
        assert loaders._residents.of(images.pixels, loaders.device) is not None
