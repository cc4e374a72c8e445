from dataclasses import asdict

import pytest

from tlf.preprocessing import Preprocessing


@pytest.mark.parametrize(
    ("size", "resize", "expected"),
    [
        (None, None, (224, 256)),
        (112, None, (112, 128)),
        (112, 112, (112, 112)),
        (None, 300, (224, 300)),
    ],
)
def test_another_size_keeps_the_ratio_unless_both_are_given(size, resize, expected):
    preprocessing = Preprocessing(crop="squash", interpolation="bicubic", mean=(0.5,), std=(0.2,))
    sized = preprocessing.sized(size, resize)
    assert (sized.size, sized.resize) == expected
    sizes = {"size": sized.size, "resize": sized.resize}
    assert asdict(sized) == asdict(preprocessing) | sizes


def test_channels_are_those_of_the_mean():
    assert Preprocessing().channels == 3
    assert Preprocessing(mean=(0.5,), std=(0.2,)).channels == 1
