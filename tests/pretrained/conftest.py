"""A small network, and a state for it."""

from collections import OrderedDict

import pytest
import torch
from torch import nn


@pytest.fixture
def net():
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(1, 2, 3), bn=nn.BatchNorm2d(2), fc=nn.Identity())
    )


@pytest.fixture
def state(net):
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.rand(tensor.shape, generator=generator)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in net.state_dict().items()
    }
