import multiprocessing
import os
from dataclasses import dataclass

import pytest
import torch

from tlf.builtin.augmentations import CropFlip
from tlf.data.loader import CHUNK, Loader, Loaders
from tlf.data.loading import Images
from tlf.errors import DataError

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Numbered:
    """Images that hold their number and the process that made them."""

    def __call__(self, index: int) -> torch.Tensor:
        return torch.tensor([index % 256, os.getpid() % 256], dtype=torch.uint8).view(2, 1, 1)


def images(*augmentations) -> Images:
    return Images(Numbered(), torch.arange(1000), 1, augmentations)


def keys(*sizes: int) -> list[list[tuple[int, int]]]:
    numbers = iter(range(sum(sizes)))
    return [[(0, next(numbers)) for _ in range(size)] for size in sizes]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_whole_and_in_order(workers):
    loader, sizes = Loader(images(), workers, pin=False), (3 * CHUNK + 5, 1, CHUNK, 2 * CHUNK)
    for _ in range(2):
        found = [*loader.batches(keys(*sizes))]
        assert [sum(len(part.labels) for part in parts) for parts in found] == [*sizes]
        labels = torch.cat([part.labels for parts in found for part in parts])
        assert torch.equal(labels, torch.arange(sum(sizes)))
        assert all(len(part.labels) <= CHUNK for parts in found for part in parts) == (workers > 0)


def test_workers_live_as_long_as_images_are_loaded_alike():
    loaders, split = Loaders(1, CPU), images()

    def process(given: Images) -> int:
        [part] = loaders.batches(given, keys(4))
        return int(part.inputs[0, 1, 0, 0])

    one = process(split)
    assert process(split) == one != os.getpid() % 256
    flipped = Images(split.pixels, split.labels, 1, (CropFlip(),))
    assert len({id(loader) for _, loader in loaders._current.values()}) == 1
    [*loaders.batches(Images(split.pixels, split.labels, 1, flipped.augmentations), [])]
    assert len(loaders._current) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_little_is_loaded_ahead_by_the_same_workers(workers):
    taken = []
    with Loaders(workers, CPU) as loaders:
        batches = loaders.batches(
            images(), (taken.append(1) or batch for batch in keys(*[20] * 40))
        )
        before = None
        for number, _ in enumerate(batches, start=1):
            assert len(taken) <= number + 2 * workers  # two parts wait for each of them
            living = {child.pid for child in multiprocessing.active_children()}
            assert before in (None, living)
            before = living
        assert number == 40


def test_no_worker_outlives_the_loaders():
    with Loaders(1, CPU) as loaders:
        [part] = loaders.batches(images(), keys(4))
        (worker,) = multiprocessing.active_children()
        assert worker.pid % 256 == int(part.inputs[0, 1, 0, 0])
    worker.join(timeout=60)
    assert not worker.is_alive()


@dataclass(frozen=True)
class Changed:
    """Images of which none can be read."""

    def __call__(self, index: int) -> torch.Tensor:
        raise DataError("the file changed")


def test_no_worker_outlives_the_loaders_where_an_error_is_kept():
    before = multiprocessing.active_children()
    with pytest.raises(DataError) as error, Loaders(1, CPU) as loaders:
        [*loaders.batches(Images(Changed(), torch.arange(4), 1, ()), keys(4))]
    assert error.value.__traceback__, "it holds the frames in which the images were loaded"
    assert multiprocessing.active_children() == before


def test_an_iteration_that_is_left_does_not_disturb_the_next():
    loaders, split = Loaders(2, CPU), images()
    next(loaders.batches(split, keys(*[CHUNK] * 8)))
    [part] = loaders.batches(split, [[(0, 7), (0, 9)]])
    assert part.labels.tolist() == [7, 9]
