"""Batches hold the right images, shards cover them, and augmentation is reproducible."""

import pytest
import torch

from tlf.builtin.augmentations import CropFlip
from tlf.components import Split
from tlf.data.loader import Loader
from tlf.data.loading import (
    Decoded,
    Images,
    deal,
    decoded_pixels,
    make_batches,
    order,
    shard,
)
from tlf.data.transforms import load, load_full
from tlf.errors import DataError, PluginError
from tlf.preprocessing import Preprocessing
from tlf.runtime.seeds import seeded

PREPROCESSING = Preprocessing(size=24, resize=28)


def test_order_is_a_permutation_that_depends_on_seed_and_epoch():
    assert sorted(order(0, 0, 50)) == list(range(50))
    orders = {tuple(order(seed, epoch, 50)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_batches_keep_every_index_once():
    for count in range(1, 20):
        for size in range(1, 8):
            for lone in (True, False):
                batches = make_batches(range(count), size, lone=lone)
                assert [i for batch in batches for i in batch] == list(range(count))
                assert lone or count == 1 or size == 1 or min(map(len, batches)) > 1
                every = [*batches]
                for part in (slice(1, None), slice(0, None, 2), slice(-1), slice(5, 2)):
                    assert [*batches[part]] == every[part]
                    assert [*batches[part][1:]] == every[part][1:]


@pytest.mark.parametrize("count", range(1, 13))
@pytest.mark.parametrize("shards", range(1, 6))
def test_shards_cover_a_batch_and_keep_mirror_pairs_together(count, shards):
    batch = list(range(100, 100 + count))
    sharded = [shard(batch, index, shards) for index in range(shards)]
    assert sorted(i for part in sharded for i in part) == batch
    mirror = dict(zip(batch, reversed(batch), strict=True))
    for part in sharded:
        assert [mirror[i] for i in part] == part[::-1]
    assert sharded[0], "the first process's statistics are kept: it needs images"
    assert count == 1 or 1 not in map(len, sharded), "BatchNorm cannot train on one image"


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("accumulate", [1, 2, 3, 8])
@pytest.mark.parametrize("count", range(1, 13))
def test_a_piece_holds_the_same_images_on_any_number_of_processes(count, accumulate, together):
    batch = list(range(100, 100 + count))
    (alone,) = dealt(batch, accumulate, 1, together)
    assert all(share.count == len(share.images) for share in alone)
    assert sorted(i for share in alone for i in share.images) == batch
    assert len(alone) == min(accumulate, max(1, count // 2))
    for processes in (2, 3, 5):
        every = dealt(batch, accumulate, processes, together)
        assert [[share.last for share in own].count(True) for own in every] == [1] * processes
        assert all(own[-1].last for own in every)
        counted = [sorted(i for s in own for i in s.images[: s.count]) for own in every]
        assert sorted(i for own in counted for i in own) == batch
        if together:
            for number, piece in enumerate(alone):
                shares = [own[number] for own in every]
                images = [i for share in shares for i in share.images[: share.count]]
                assert sorted(images) == sorted(piece.images)


def dealt(batch, accumulate, processes, together):
    """The shares of every process."""
    return [
        [*deal(batch, accumulate, process, processes, together=together)]
        for process in range(processes)
    ]


def test_21_images_in_8_pieces_are_10_shares_and_none_is_empty_or_of_one_image():
    batches = make_batches(range(21), 8, lone=False)
    shares = [s for b in batches for s in deal(b, 8, 0, 1, together=False)]
    assert [share.count for share in shares] == [2] * 9 + [3]


def test_a_huge_number_of_pieces_is_no_work():
    (only,) = deal([3, 4], 10**12, 0, 1, together=False)
    assert (only.images, only.count, only.last) == ([3, 4], 2, True)


def test_one_shard_is_the_batch_in_its_order():
    assert shard([5, 3, 9], 0, 1) == [5, 3, 9]


def _loaded(split, workers, seed=0, epoch=0):
    images = Images(
        Decoded(split, PREPROCESSING),
        torch.tensor(split.labels),
        PREPROCESSING.size,
        (CropFlip(),),
        seed,
    )
    keys = [[(epoch, i) for i in batch] for batch in make_batches(range(len(split)), 4)]
    batches = Loader(images, workers, pin=False).batches(keys)
    return torch.cat([part.inputs for parts in batches for part in parts])


def test_augmentation_depends_on_seed_epoch_and_index_and_on_nothing_else(images):
    from tlf.builtin.folder import Folder

    split = Folder(str(images)).build().train
    torch.manual_seed(1)
    one = _loaded(split, workers=0)
    torch.manual_seed(2)
    assert torch.equal(one, _loaded(split, workers=2))
    assert not torch.equal(one, _loaded(split, workers=0, epoch=1))
    assert not torch.equal(one, _loaded(split, workers=0, seed=1))


def test_loading_leaves_the_generator_of_the_model_alone(images):
    from tlf.builtin.folder import Folder

    torch.manual_seed(3)
    before = torch.get_rng_state()
    split = Folder(str(images)).build().train
    Images(
        Decoded(split, PREPROCESSING),
        torch.tensor(split.labels),
        PREPROCESSING.size,
        (CropFlip(),),
        0,
    )[0, 0]
    assert torch.equal(before, torch.get_rng_state())


def test_every_split_is_decoded_and_the_train_split_at_full_resolution_too(images):
    from tlf.builtin.folder import Folder

    splits = Folder(str(images)).build()
    pixels = decoded_pixels(splits, PREPROCESSING)
    data = splits.train.read(3)
    assert torch.equal(pixels["train"](3), load(data, PREPROCESSING))
    assert torch.equal(pixels["full"](3), load_full(data, PREPROCESSING))
    assert torch.equal(pixels["eval"](3), load(splits.eval.read(3), PREPROCESSING))


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.9, 1.0)])
def test_a_crop_of_the_file_is_torchvisions_of_the_uint8_tensor(images, scale):
    """The same draws, the same box, the same bits; the loop's tensor is laid out as torch does."""
    from PIL import Image
    from torchvision.transforms import v2
    from torchvision.transforms.functional import pil_to_tensor

    from tlf.builtin.folder import Folder

    split, size = Folder(str(images)).build().train, PREPROCESSING.size
    full = Decoded(split, PREPROCESSING, full=True)
    ours = Images(full, torch.tensor(split.labels), size, (CropFlip(scale=scale),), 5, full=True)
    theirs = v2.Compose([v2.RandomResizedCrop(size, scale), v2.RandomHorizontalFlip()])
    for index, name in enumerate(split.names):
        image = pil_to_tensor(Image.open(images / name))
        image = image.contiguous()
        with seeded(5, "augment", 2, index):
            expected = theirs(image)
        assert torch.equal(ours[2, index][1], expected)


class Failing:
    """Pixels, one of which cannot be read."""

    def __call__(self, index):
        if index == 3:
            raise PluginError("'film:grain' (tlf-film 1.2): no grain (film.py, line 3)")
        return torch.zeros(3, 28, 28, dtype=torch.uint8)


@pytest.mark.parametrize("fault", [OSError(2, "No such file"), DataError("No such file")])
def test_an_image_that_cannot_be_read_any_more_is_named(fault):
    def read(index):
        raise fault

    pixels = Decoded(Split(("a.jpg", "b.jpg"), (0, 1), read), PREPROCESSING)
    with pytest.raises(
        DataError, match=r"^b\.jpg could be read before, and no longer can: No such"
    ):
        pixels(1)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_is_the_same_in_a_process_that_loads_images(workers):
    images = Images(Failing(), torch.zeros(8, dtype=torch.long), 24)
    loader = Loader(images, workers, pin=False)
    batches = loader.batches([[(0, 0), (0, 1)], [(0, 2), (0, 3)]])
    assert [len(part.indices) for part in next(batches)] == [2]
    with pytest.raises(PluginError) as caught:
        next(batches)
    loader.end()  # its error, which is kept, would hold its process
    assert str(caught.value) == "'film:grain' (tlf-film 1.2): no grain (film.py, line 3)"
