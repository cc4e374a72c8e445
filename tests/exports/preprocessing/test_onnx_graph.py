"""onnxruntime prepares an image as Pillow does."""

import pytest
import torch

from prepared_images import HOW, check_levels
from small import needs_onnx
from tlf.exports.preprocessing.onnx_graph import IR, OPSET, prepare_graph
from tlf.inference.onnx_file import open_session
from tlf.preprocessing import Preprocessing

pytestmark = needs_onnx


def prepared(how, opset=OPSET):
    session = open_session(prepare_graph(how, opset, IR).SerializeToString())
    return lambda image: torch.from_numpy(session.run(None, {"image": image.numpy()})[0])


@pytest.mark.parametrize("name", HOW)
def test_values_are_pillows_or_a_grey_level_off(name, capfd):
    check_levels(prepared(HOW[name]), HOW[name])
    assert capfd.readouterr() == ("", "")


def test_nearest_takes_values_of_the_image():
    how = Preprocessing(size=4, resize=4, interpolation="nearest", mean=(0.0,), std=(1 / 255,))
    pixels = torch.arange(64, dtype=torch.uint8).view(8, 8, 1)
    assert torch.equal(prepared(how, 20)(pixels)[0, 0].round().byte(), pixels[1::2, 1::2, 0])
