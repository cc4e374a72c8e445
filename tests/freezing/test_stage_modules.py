"""The modules of a network's stages."""

import torch
from torch import nn

from tlf.freezing.stage_modules import first_tensor, outermost
from tlf.model import Classifier

STAGES = {"stem": ["0.weight", "0.bias"], "top": ["2.0.weight", "2.0.bias", "2.1.weight"]}


def network():
    torch.manual_seed(0)
    top = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, bias=False))
    middle = nn.BatchNorm1d(3, affine=False)  # no stage names it
    return Classifier(nn.Sequential(nn.Linear(4, 3), middle, top), nn.Linear(3, 2), STAGES)


def test_the_outermost_modules_of_each_stage():
    found = {name: stage for name, _, stage in outermost(network())}
    assert found == {"backbone.0": "stem", "backbone.2": "top", "head": "head"}


def test_a_parameter_that_two_modules_share_has_one_stage():
    model = network()
    model.head.weight = nn.Parameter(torch.zeros(3, 3))
    model.backbone[2][1].weight = model.backbone[2][0].weight
    stages = {"stem": STAGES["stem"], "top": STAGES["top"][:2]}
    shared = Classifier(model.backbone, model.head, stages)
    assert [stage for *_, stage in outermost(shared)] == ["stem", "top", "head"]


def test_the_first_tensor_of_what_a_module_returns():
    maps = torch.zeros(2)
    assert first_tensor({"ids": torch.zeros(2, dtype=torch.long), "maps": (None, maps)}) is maps
    assert first_tensor([]) is first_tensor(None) is first_tensor(torch.zeros(1).long()) is None
