"""Images as arrays: files of NumPy, depths and channels."""

import io

import numpy as np
import pytest
from PIL import Image

from tlf.data.decoding.arrays import checked, npy_shape, npy_values, shown, to_channels, to_depth
from tlf.errors import DataError


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def noise(*shape, dtype=np.uint16, largest=65_535):
    return np.random.default_rng(0).integers(0, largest, shape, endpoint=True).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 7), (5, 4)])
def test_a_file_of_numpy_gives_its_values_back(dtype, order, shape):
    array = noise(*shape, largest=255).astype(dtype, order=order)
    values = npy_values(npy(array))
    assert values.dtype == np.dtype(dtype[-2:])
    assert values.dtype.isnative
    assert values.shape == npy_shape(npy(array)) == (*shape, 1)[:3]
    assert np.array_equal(values, array.reshape(values.shape))


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((4, 4)), r"uint8 or uint16, of shape \(H, W, C\) .* got float64 \(4, 4\)"),
        (np.zeros((4, 4), np.int16), "got int16"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"got uint8 \(2, 4, 4, 3\)"),
        (np.zeros(4, np.uint8), r"got uint8 \(4,\)"),
        (np.zeros((0, 4), np.uint8), r"must have pixels, got the shape \(0, 4\)"),
        (np.zeros((3, 5, 99), np.uint8), r"at most 64 channels, which come last, .*\(3, 5, 99\)"),
        (np.zeros((2, 2), [("a", "u1")]), "must be uint8 or uint16"),
    ],
)
def test_other_arrays_are_refused(array, told):
    with pytest.raises(DataError, match=told):
        npy_values(npy(array))
    with pytest.raises(DataError, match=told):
        checked(array)


def test_channels_that_come_first_are_told():
    with pytest.raises(DataError, match=r"image has 5 \(3 × 4 × 5\); channels come last"):
        to_channels(np.zeros((3, 4, 5), np.uint8), 3)
    with pytest.raises(DataError, match=r"train with backbone\.channels = 5"):
        to_channels(np.zeros((1, 4, 5), np.uint8), 1)


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    array = np.empty((2, 2), object)
    array[:] = Trap()
    with pytest.raises(DataError, match="must be uint8 or uint16"):
        npy_values(npy(array, allow_pickle=True))
    assert not (tmp_path / "made").exists()


def test_a_cut_file_is_refused_with_what_is_missing():
    with pytest.raises(DataError, match=r"says 4 × 4 × 3 uint8, which are 48 bytes, but 40 follow"):
        npy_values(npy(np.zeros((4, 4, 3), np.uint8))[:-8])


def test_a_header_that_claims_much_takes_no_memory():
    header = npy(np.zeros((1, 1), np.uint8)).replace(b"(1, 1)", b"(999999, 999999)")
    with pytest.raises(DataError, match=r"cut or damaged|header cannot be read"):
        npy_values(header)


@pytest.mark.parametrize(
    "damaged", [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00aa", b"\x93NUMPY\x01\x00"]
)
def test_a_damaged_header_is_an_error(damaged):
    with pytest.raises(DataError, match="header cannot be read as NumPy's"):
        npy_shape(damaged)


def test_a_header_of_code_is_not_run():
    text = b"__import__('os').abort()".ljust(117) + b"\n"
    with pytest.raises(DataError, match="header cannot be read"):
        npy_shape(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)


def test_eight_bits_become_sixteen_and_come_back():
    eight = np.arange(256, dtype=np.uint8)
    sixteen = to_depth(eight, 16)
    assert (sixteen.min(), sixteen.max()) == (0, 65_535)
    assert np.array_equal(to_depth(sixteen, 8), eight)
    assert to_depth(eight, 8) is eight


def test_white_becomes_the_largest_value_and_every_step_below_it_stays_one():
    values = np.arange(5000, dtype=np.uint16)
    scaled = to_depth(values, 16, white=4095)
    assert scaled[4095] == scaled[4999] == 65_535
    assert len(np.unique(scaled)) == 4096
    expected = np.rint(np.minimum(values, 4095) / 4095 * 65_535)
    assert np.array_equal(scaled, expected)
    assert np.array_equal(to_depth(values, 8, white=4095), np.rint(expected / 257))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_and_colour_become_each_other(dtype):
    colour = noise(6, 5, 3, dtype=dtype, largest=np.iinfo(dtype).max)
    grey = to_channels(colour, 1)
    assert (grey.shape, grey.dtype) == ((6, 5, 1), dtype)
    exact = colour @ np.array([0.299, 0.587, 0.114])
    assert abs(grey[..., 0] - exact).max() < 1.5
    if dtype == np.uint8:
        assert np.array_equal(grey[..., 0], np.asarray(Image.fromarray(colour).convert("L")))
    assert np.array_equal(to_channels(grey, 3), np.repeat(grey, 3, axis=2))
    assert to_channels(colour, 3) is colour


def test_the_brightest_colour_is_the_brightest_grey():
    assert to_channels(np.full((1, 1, 3), 65_535, np.uint16), 1).item() == 65_535


def test_other_channels_are_an_error_that_names_both():
    told = (
        r"takes 3 channels, the image has 5 \(6 × 5 × 5\); save the image with 3 "
        "channels, or train with backbone.channels = 5$"
    )
    with pytest.raises(DataError, match=told):
        to_channels(noise(6, 5, 5), 3)


@pytest.mark.parametrize(("channels", "seen"), [(1, 1), (2, 1), (3, 3), (7, 3)])
def test_a_person_sees_grey_or_the_first_three_channels(channels, seen):
    values = noise(4, 5, channels)
    assert np.array_equal(shown(values), to_depth(values[..., :seen], 8))
    assert shown(values).dtype == np.uint8
