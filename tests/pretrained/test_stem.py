"""The first convolution, for images of other channels."""

import pytest
import torch
from timm.models import adapt_input_conv
from torch import nn

from tlf.pretrained.published import torchvision_module
from tlf.pretrained.stem import adapted, check_channels, replace_stem, stem_note


def test_grey_weights_are_the_sum_and_more_are_repeated():
    weight = torch.randn(4, 3, 2, 2)
    assert torch.equal(adapted(weight, 1), weight.sum(1, keepdim=True))
    five = adapted(weight, 5)
    assert torch.equal(five, adapt_input_conv(5, weight))
    assert torch.allclose(five[:, 3], weight[:, 0] * 3 / 5)


@pytest.mark.parametrize("channels", [0, 65])
def test_too_many_channels_are_refused(channels):
    with pytest.raises(ValueError, match=f"up to 64, got {channels}; write channels = 3"):
        check_channels(channels)


@pytest.mark.parametrize(
    ("model", "stem"),
    [
        ("resnet18", "conv1"),
        ("mobilenet_v3_small", "features.0.0"),
        ("squeezenet1_1", "features.0"),
        ("shufflenet_v2_x0_5", "conv1.0"),
    ],
)
def test_a_network_takes_other_images_after_it(model, stem):
    module = torchvision_module(model, 64).eval()
    old = module.get_submodule(stem)
    assert replace_stem(module, 5, drawn=True) == stem
    new = module.get_submodule(stem)
    assert isinstance(new, nn.Conv2d)
    assert (new.stride, new.padding) == (old.stride, old.padding)
    assert torch.isclose(new.weight.std(), old.weight.std(), rtol=0.2)
    assert module(torch.randn(1, 5, 64, 64)).shape == (1, 1000)


def test_the_note_says_how():
    assert stem_note("conv1.weight", 1).endswith("the weights of colours are added up")
    assert "multiplied by 3/5" in stem_note("conv1.weight", 5)
