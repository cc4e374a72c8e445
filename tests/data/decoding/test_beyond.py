"""What files of NumPy hold beyond 8 bits; ``inspection/test_white.py`` has the others."""

import io

import numpy as np
import pytest

from tlf.data.decoding.beyond import Beyond, beyond, largest_value


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(("dtype", "depth"), [(np.uint8, ""), (np.uint16, "grey")])
def test_a_file_of_numpy_may_hold_sixteen_bits(dtype, depth):
    data = npy(np.arange(60, dtype=dtype).reshape(3, 4, 5))
    assert beyond(data) == Beyond(depth)
    assert largest_value(data) == 59


def test_a_damaged_file_holds_nothing():
    assert beyond(b"\x93NUMPY") == Beyond()
