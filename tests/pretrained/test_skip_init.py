import pytest
import timm
import torch
from torch import nn
from torchvision import models

from tlf.pretrained.skip_init import Unfilled


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "densenet121", "mobilenet_v2"])
def test_no_parameter_of_torchvisions_networks_is_drawn(name):
    before = torch.get_rng_state()
    with Unfilled():
        network = models.get_model(name)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_efficientnet"])
def test_no_parameter_of_timms_networks_is_drawn(name):
    before = torch.get_rng_state()
    with Unfilled():
        timm.create_model(name)
    assert torch.equal(torch.get_rng_state(), before)


def test_constants_are_still_written():
    with Unfilled():
        norm = nn.BatchNorm2d(3)
        nn.init.constant_(norm.bias, 2.0)
    assert norm.weight.tolist() == [1.0] * 3
    assert norm.bias.tolist() == [2.0] * 3


def test_tensors_that_are_no_parameters_are_drawn():
    torch.manual_seed(0)
    expected = torch.empty(3).normal_()
    torch.manual_seed(0)
    with Unfilled():
        drawn = torch.empty(3).normal_()
    assert torch.equal(drawn, expected)


def test_parameters_are_drawn_again_afterwards():
    with Unfilled():
        nn.Linear(2, 2)
    before = torch.get_rng_state()
    nn.Linear(2, 2)
    assert not torch.equal(torch.get_rng_state(), before)
