"""What is seen in a folder of images."""

import io

import numpy as np

from image_files import encoded, noise
from tlf.components import Split, Splits
from tlf.errors import DataError
from tlf.first_recipe.look import SAMPLED, look


class Files:
    """Images of 40 × 60 pixels; the first one cannot be read."""

    def __init__(self):
        self.read = []

    def __call__(self, index):
        self.read.append(index)
        return b"" if index == 0 else encoded(noise(40, 60))


def split(labels, read):
    return Split([f"{number}.png" for number in range(len(labels))], labels, read)


def test_images_classes_sizes_and_what_is_missing():
    files = Files()
    seen = look(Splits(split([0, 0, 1], files), split([1, 2], files), ("ant", "bee", "wasp")))
    assert (seen.images, seen.train, seen.eval) == (3, [2, 1, 0], [0, 1, 1])
    assert (seen.untrained, seen.unevaluated) == (("wasp",), ("ant",))
    assert (seen.side, seen.sampled, seen.unreadable) == (40, 3, ("0.png",))


def test_16_bits_and_channels_are_seen():
    def of(*arrays):
        files = [saved(values) for values in arrays]
        one = split([number % 2 for number in range(len(files))], files.__getitem__)
        seen = look(Splits(one, one, ("ant", "bee")))
        return seen.deep, seen.channels

    deep, eight = np.ones((4, 5, 6), np.uint16), np.ones((4, 5, 6), np.uint8)
    assert of(deep, deep) == (True, 6)
    assert of(eight, eight) == (False, 6)
    assert of(deep, eight[..., :4]) == (True, None)  # a run will name the image that does not fit
    assert of(deep[..., :1], deep[..., 0]) == (True, None)
    assert of(eight[..., :3]) == (False, None)


def saved(values):
    np.save(stream := io.BytesIO(), values)
    return stream.getvalue()


def test_of_many_images_a_sample_is_opened():
    def refuse(index):
        raise DataError(f"{index} is broken")

    opened = []
    labels = [0, 1] * (SAMPLED - 1)
    seen = look(Splits(split(labels, refuse), split([], opened.append), ("ant", "bee")))
    assert (seen.side, seen.sampled, len(seen.unreadable)) == (None, SAMPLED - 1, SAMPLED - 1)
    assert not opened
