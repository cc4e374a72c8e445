"""Which value of 16-bit images is white, and what a run says about it."""

import io

import numpy as np
import pytest
from PIL import Image

from generators import exhausted
from image_files import encoded, noise
from tlf.components import Split, Splits
from tlf.data.decoding.beyond import Beyond, beyond, largest_value
from tlf.data.inspection.white import find_white
from tlf.errors import DataError, StorageError
from tlf.preprocessing import Preprocessing
from tlf.runtime.devices import start_accelerator


def deep(largest, kind="PNG"):
    values = np.linspace(0, largest, 64).astype(np.uint16).reshape(8, 8)
    return encoded(Image.fromarray(values), kind)


def pages(kind):
    held = io.BytesIO()
    first, *others = (Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue"))
    first.save(held, kind, save_all=True, append_images=others)
    return held.getvalue()


def colour16(high):
    """A PNG of 16 bits per colour, which Pillow can read but not write."""
    import struct
    import zlib

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = (b"\0" + bytes([high, 255]) * 3 * 4) * 4
    head = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )  # fmt: skip


def found(files, white=None, evaluated=None):
    """The white that is found for train images, and the notes."""

    def split(files):
        contents = [*files.values()]
        return Split([*files], [0] * len(files), contents.__getitem__)

    splits = Splits(split(files), split(evaluated or {}), ("a", "b"))
    return exhausted(find_white(splits, white, start_accelerator("no"), Preprocessing()))[0]


PLAIN = encoded(noise(8, 8), "PNG")


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_by_default_a_note_says_which_range_is_used(kind):
    white, notes = found({"a": deep(4095, kind), "b": deep(4000, kind), "c": PLAIN})
    assert white == 65535
    assert notes == [
        "2 images of the train split hold 16-bit values, 0 to 4,095; 65,535 is white, so they are "
        'nearly black: write data.white = 4095, or "auto"'
    ]
    _, (note,) = found({"a": deep(60000, kind)})
    assert "nearly black" not in note
    _, (note,) = found({"a": deep(0)})
    assert note.endswith("0 to 0; 65,535 is white")  # 0 cannot be white


def test_auto_is_the_largest_value_of_the_train_split():
    files = {"a": deep(4000), "b": deep(4095), "c": PLAIN}
    white, notes = found(files, "auto", {"z": deep(65535)})
    assert white == 4095
    assert notes == ["2 images of the train split hold 16-bit values, 0 to 4,095; 4,095 is white"]
    assert found({"a": PLAIN}, "auto") == (65535, [])
    assert found({"a": deep(0)}, "auto")[0] == 65535  # all black


def test_a_number_that_fits_the_images_needs_no_note():
    assert found({"a": deep(4095)}, 4095) == (4095, [])
    assert found({"a": deep(3000)}, 4095) == (4095, [])


@pytest.mark.parametrize(
    ("white", "effect"),
    [(1500, "and so is all that is brighter"), (60000, "so they are nearly black")],
)
def test_a_number_that_does_not_fit_the_images_is_noted(white, effect):
    used, notes = found({"a": deep(4095)}, white)
    assert used == white
    assert notes == [
        f"1 image of the train split holds 16-bit values, 0 to 4,095; {white:,} is white, {effect}:"
        ' write data.white = 4095, or "auto"'
    ]


def test_a_number_of_the_recipe_hides_no_note_about_colours():
    assert found({"a": colour16(15)}, 4095) == (4095, found({"a": colour16(15)})[1])


def test_names_of_jpegs_are_not_looked_at():
    assert found({"a.jpg": deep(4095), "b.JPEG": deep(9)}) == (65535, [])


def test_unreadable_images_are_reported_elsewhere():
    def read(index):
        raise OSError("gone")

    broken = Split(["a.png"], [0], read)
    steps = find_white(
        Splits(broken, broken, ("a", "b")), "auto", start_accelerator("no"), Preprocessing()
    )
    assert [event.title for event in steps] == ["looking at train images", "looking at eval images"]
    assert found({"a": b"", "b": deep(4095)[:50], "c": b"<svg>"}, "auto") == (65535, [])


def test_a_lost_storage_is_not_passed_over():
    def read(index):
        raise StorageError("lost")

    lost = Split(["a.png"], [0], read)
    with pytest.raises(DataError, match="lost"):
        exhausted(
            find_white(
                Splits(lost, lost, ("a", "b")), "auto", start_accelerator("no"), Preprocessing()
            )
        )


def test_of_16_bits_per_colour_the_upper_8_are_used():
    assert beyond(colour16(9)) == Beyond("colour")
    assert largest_value(colour16(9)) == 9
    _, notes = found({"a": colour16(15)})
    assert notes == [
        "1 image of the train split holds 16 bits per colour, of which the upper 8 are used; they "
        "are nearly black: store them with 8 bits"
    ]
    assert found({"a": colour16(200)})[1][0].endswith("the upper 8 are used")


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP"])
def test_of_several_pages_the_first_is_used(kind):
    assert beyond(pages(kind)).pages
    assert not beyond(encoded(noise(8, 8), kind)).pages
    _, notes = found({"b": PLAIN}, evaluated={"a": pages(kind)})
    assert notes == [
        "1 image of the eval split holds several pages or frames, of which the first is used: 'a'"
    ]


def test_a_phone_keeps_a_second_image_in_its_jpegs():
    assert beyond(pages("MPO")) == Beyond()


def test_what_is_no_image_holds_nothing():
    assert beyond(b"no image") == beyond(b"") == beyond(b"\x89PNG\r\n\x1a\n") == Beyond()


def test_what_keeps_its_depth_is_measured_and_loses_nothing():
    deep = Preprocessing(mean=(0.5,) * 5, std=(0.5,) * 5, depth=16)
    arrays = [np.full((4, 4, 5), value, np.uint16) for value in (100, 3000)]
    files = []
    for array in arrays:
        np.save(file := io.BytesIO(), array)
        files.append(file.getvalue())
    split = Split(["a.npy", "b.npy"], [0, 1], files.__getitem__)
    steps = find_white(Splits(split, split, ("a", "b")), "auto", start_accelerator("no"), deep)
    white, notes = exhausted(steps)[0]
    assert white == 3000
    assert notes == ["2 images of the train split hold 16-bit values, 0 to 3,000; 3,000 is white"]
