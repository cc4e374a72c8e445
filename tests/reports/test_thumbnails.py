from base64 import b64decode
from functools import partial
from io import BytesIO

from PIL import Image

from reported import jpeg
from tlf.errors import DataError
from tlf.reports.thumbnails import thumbnails


def opened(file):
    return Image.open(BytesIO(b64decode(file)))


def test_a_thumbnail_is_a_small_jpeg_and_a_small_image_stays_as_large():
    large, small = thumbnails([partial(jpeg, side=300), partial(jpeg, side=40)])
    assert (opened(large).size, opened(small).size) == ((96, 96), (40, 40))


def test_an_image_that_cannot_be_read_has_none():
    def gone():
        raise DataError("a.jpg is gone")

    assert thumbnails([gone, lambda: b"no image", jpeg])[:2] == [None, None]


def test_thumbnails_shrink_to_fit_together():
    reads = [partial(jpeg, seed, side=96) for seed in range(4)]
    whole = sum(map(len, thumbnails(reads)))
    less = thumbnails(reads, largest=whole - 1)
    assert sum(map(len, less)) < whole
    assert opened(less[0]).size == (64, 64)
    assert thumbnails(reads, largest=10) == [None] * 4
