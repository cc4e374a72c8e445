import json
from dataclasses import asdict

import pytest

from tlf.preprocessing import Preprocessing, read_preprocessing


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


@pytest.mark.parametrize(
    "found",
    [
        Preprocessing(),
        Preprocessing(64, 64, "squash", "lanczos", (0.5,), (0.2,)),
        Preprocessing(mean=(0, 0, 0), std=(1 / 255, 1, 255)),
    ],
    ids=["default", "grey", "whole"],
)
def test_what_was_stored_is_read(found):
    assert read_preprocessing(json.loads(json.dumps(asdict(found)))) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"size": 0}', "size must be a whole number from 1 to 16384, got 0"),
        ('{"size": 1000000000}', "size must be a whole number from 1 to 16384, got 1000000000"),
        ('{"size": true}', "size must be a whole number .*, got True"),
        ('{"size": 64.0}', "size must be a whole number .*, got 64.0"),
        ('{"resize": "256"}', "resize must be a whole number .*, got '256'"),
        ('{"resize": 100}', "resize must be at least the size, 224, got 100"),
        ('{"crop": "left"}', "crop must be one of center, squash, got 'left'"),
        ('{"interpolation": ["bicubic"]}', "interpolation must be one of nearest, .* got"),
        ('{"mean": 0.5}', "mean must hold 1 to 64 numbers, got 0.5"),
        ('{"mean": []}', "mean must hold 1 to 64 numbers"),
        ('{"mean": [0, 0]}', "std must hold a number of at least 1e-06 for each of mean"),
        ('{"depth": 12}', "depth must be 8 or 16, got 12"),
        ('{"depth": true}', "depth must be 8 or 16, got True"),
        ('{"mean": [0, 0, "0"]}', "mean must hold numbers up to"),
        ('{"mean": [0, 0, 1e300]}', "mean must hold numbers up to"),
        ('{"std": [1, 1, NaN]}', "std must hold numbers up to"),
        ('{"std": [1, 1, 0]}', "std must hold a number of at least 1e-06 for each of mean"),
        ('{"std": [1]}', "std must hold a number of at least 1e-06 for each of mean"),
        ('{"sise": 64}', "unexpected keyword argument 'sise'"),
        ("[]", "it must be a table"),
        ("null", "it must be a table, got None"),
    ],
)
def test_what_cannot_be_used_is_refused(text, told):
    with pytest.raises((TypeError, ValueError), match=told):
        read_preprocessing(json.loads(text))
