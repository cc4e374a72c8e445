"""Images are decoded into the cache, each into its own place."""

import pytest
import torch

from tlf.data.loading import Decoded
from tlf.data.pixel_store import StoredPixels
from tlf.data.transforms import load, load_pixels, loaded_shape
from tlf.events import Notice
from tlf.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(size=32, resize=36)


def test_each_image_is_decoded_once_into_its_place(inspect, monkeypatch):
    seen, real = [], load_pixels
    monkeypatch.setattr(
        "tlf.data.inspection.decoding.load_pixels",
        lambda data, how: seen.append(data) or real(data, how),
    )
    usable, _ = inspect()
    assert len(seen) == 31
    split = usable.splits.train
    for index in range(len(split)):
        expected = load(split.read(index), PREPROCESSING)
        assert torch.equal(usable.pixels["train"](index), expected)


@pytest.mark.parametrize("header_shape", [(3, 1, 1), (0, 0, 0), "exchanged"])
def test_pixels_of_another_shape_than_expected_are_not_stored(
    inspect, root, monkeypatch, header_shape
):
    """As many bytes or not: nothing is written over what is another image's."""
    victim = (root / "train" / "circles" / "003.jpg").read_bytes()

    def wrong(data, preprocessing):
        channels, height, width = loaded_shape(data, preprocessing)
        if data != victim:
            return channels, height, width
        return (channels, width, height) if header_shape == "exchanged" else header_shape

    monkeypatch.setattr("tlf.data.inspection.decoding.loaded_shape", wrong)
    usable, events = inspect()
    (notice,) = [event.text for event in events if isinstance(event, Notice)]
    assert notice.startswith("20 decoded train images: not stored, train/circles/003.jpg is 3 × ")
    assert isinstance(usable.pixels["train"], Decoded)
    assert isinstance(usable.pixels["eval"], StoredPixels)
