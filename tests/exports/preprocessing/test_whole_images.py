"""What cannot hold the preprocessing, and which one cannot be held."""

from dataclasses import replace

import pytest

from tlf.errors import TlfError, WeightsError
from tlf.exports.preprocessing.whole_images import (
    WHOLE_IMAGES,
    check_preprocessing,
    find_whole_images,
)
from tlf.preprocessing import Preprocessing


def test_the_formats_that_can_hold_it():
    assert find_whole_images("onnx") is WHOLE_IMAGES["onnx"]
    with pytest.raises(TlfError, match="needs --to onnx or torch-export, got --to timm; write one"):
        find_whole_images("timm")


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_what_can_be_held(interpolation):
    check_preprocessing(Preprocessing(interpolation=interpolation))


def test_what_cannot_be_held():
    with pytest.raises(WeightsError, match=r"or bicubic interpolation, got lanczos, .*; leave"):
        check_preprocessing(Preprocessing(interpolation="lanczos"))
    plugins = replace(Preprocessing(), prepare=({"kind": "x:grain", "sigma": 1},))
    with pytest.raises(WeightsError, match=r"no plugin prepares, got .+ with x:grain, whose"):
        check_preprocessing(plugins)
