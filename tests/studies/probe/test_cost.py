"""What a backbone costs."""

from dataclasses import replace
from types import SimpleNamespace

import torch
from torch import nn

from tlf.model import Classifier
from tlf.studies.probe.cost import BATCH, cost_of


def test_parameters_and_bytes_are_the_backbones_own():
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.BatchNorm1d(3))
    names = [name for name, _ in backbone.named_parameters()]
    classifier = Classifier(backbone, nn.Linear(3, 2), {"all": names})
    seen = []
    backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    job = SimpleNamespace(
        classifier=classifier,
        built=SimpleNamespace(module=backbone),
        preprocessing=SimpleNamespace(channels=3, size=2),
        accelerator=SimpleNamespace(device=torch.device("cpu"), autocast=torch.no_grad),
    )
    cost = cost_of(job)
    assert cost.parameters == 12 * 3 + 3 + 6
    assert cost.megabytes == (4 * (45 + 6) + 8) / 1e6
    assert cost.seconds > 0
    assert seen == [(BATCH, 3, 2, 2)] * 4
    assert replace(cost, seconds=1.0).seconds == 1
