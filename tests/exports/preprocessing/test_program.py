"""A torch module, and a program of it, prepare an image as Pillow does."""

import pytest
import torch

from prepared_images import HOW, check_levels, image
from tlf.exports.preprocessing.program import Prepared
from tlf.preprocessing import Preprocessing


@pytest.mark.parametrize("name", HOW)
def test_values_are_pillows_or_a_grey_level_off(name):
    check_levels(Prepared(HOW[name]), HOW[name])


def test_nearest_takes_values_of_the_image():
    how = Preprocessing(size=4, resize=4, interpolation="nearest", mean=(0.0,), std=(1 / 255,))
    pixels = torch.arange(64, dtype=torch.uint8).view(8, 8, 1)
    assert torch.equal(Prepared(how)(pixels)[0, 0].round().byte(), pixels[1::2, 1::2, 0])


@pytest.mark.slow
@pytest.mark.parametrize("name", HOW)
def test_a_program_takes_images_of_any_size(name, tmp_path):
    how = HOW[name]
    sides = {0: torch.export.Dim("height", min=1), 1: torch.export.Dim("width", min=1)}
    example = torch.from_numpy(image(how, 37, 41))
    program = torch.export.export(Prepared(how), (example,), dynamic_shapes=(sides,))
    torch.export.save(program, tmp_path / "prepared.pt2")
    check_levels(torch.export.load(tmp_path / "prepared.pt2").module(), how)
