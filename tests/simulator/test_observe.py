"""Watching changes nothing, and sees what is there."""

import pytest
import torch
from torch import nn

from tlf.model import Classifier
from tlf.simulator.observe import (
    Outputs,
    copies,
    norm,
    tensors_of,
    write_back,
)

STAGES = {"stem": ["0.weight", "0.bias"], "top": ["2.0.weight", "2.0.bias", "2.1.weight"]}


def network():
    torch.manual_seed(0)
    top = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, bias=False))
    middle = nn.BatchNorm1d(3, affine=False)  # no stage names it
    return Classifier(nn.Sequential(nn.Linear(4, 3), middle, top), nn.Linear(3, 2), STAGES)


def test_a_buffer_belongs_to_the_last_stage_before_it():
    found = tensors_of(network())
    assert [name for name in found["stem"] if "running" in name] == [
        "backbone.1.running_mean", "backbone.1.running_var",
    ]  # fmt: skip
    assert [*found["top"]] == [f"backbone.{name}" for name in STAGES["top"]]


def test_tensors_get_the_values_of_their_copies_back():
    model = network()
    before = copies(tensors_of(model))
    model(torch.randn(5, 4))
    with torch.no_grad():
        model.head.weight.zero_()
    assert not torch.equal(model.head.weight, before["head"]["head.weight"])
    write_back(tensors_of(model), before)
    now = tensors_of(model)
    assert all(torch.equal(now[s][name], t) for s, own in before.items() for name, t in own.items())


def test_where_nothing_below_trains_no_gradient_exists():
    model = network()
    for name in ("0.weight", "0.bias"):
        model.backbone.get_parameter(name).requires_grad = False
    with Outputs(model) as outputs:
        logits = model(torch.randn(5, 4))
        slope = torch.randn_like(logits)
        logits.backward(slope)
    assert {*outputs.norms} == {"stem", "top", "head"}
    assert {*outputs.flows} == {"top", "head"}  # 0 would be wrong for the stem: there is none
    assert outputs.flows["head"] == norm([slope])
    assert torch.allclose(outputs.flows["top"], norm([slope @ model.head.weight.detach()]))
    model(torch.randn(5, 4)).sum().backward()
    assert outputs.flows["head"] == norm([slope])  # it no longer watches


def test_the_norm_of_millions_of_values_has_nine_digits():
    values = torch.rand(2_000_000, generator=torch.Generator().manual_seed(0))
    expected = torch.cat([values, values]).double().norm()
    assert float(norm([values, values])) == pytest.approx(float(expected), rel=1e-9)
