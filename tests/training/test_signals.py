import pytest
import torch
from torch import nn

from tlf.model import Classifier
from tlf.training.signals import MEASURED, Signals, measured_updates


@pytest.mark.parametrize("updates", [1, 2, MEASURED, MEASURED + 1, 100, 12345])
def test_the_first_and_the_last_update_are_measured(updates):
    chosen = measured_updates(updates)
    assert {0, updates - 1} <= chosen <= set(range(updates))
    assert len(chosen) == min(updates, MEASURED)


def test_signals_agree_with_figures_by_hand():
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))
    stages = {"stem": ("0.weight", "0.bias"), "1": ("1.weight", "1.bias")}
    model = Classifier(backbone, nn.Linear(3, 2), stages)
    trainable = [*model.stage("1"), *model.head_names]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trainable)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    signals, frozen_norms = Signals(), {}
    expected = []
    for _ in range(2):
        model(torch.randn(6, 5)).square().sum().backward()
        flat = {
            stage: torch.cat([dict(model.named_parameters())[n].detach().flatten() for n in names])
            for stage, names in {**model.stages, "head": model.head_names}.items()
        }
        slopes = torch.cat([p.grad.flatten() for p in backbone[1].parameters()])
        signals.before(model, trainable, frozen_norms)
        optimizer.step()
        signals.after(model)
        ratio = 0.1 * slopes.norm() / flat["1"].norm()
        expected.append((slopes.norm(), flat["1"].norm(), ratio, flat["stem"].norm()))
        optimizer.zero_grad()
        assert not signals.take(norm.item() for norm in signals.pending())
    assert signals.count == 2
    grad, weight, ratio, frozen = torch.tensor(expected).mean(0).tolist()
    means = signals.means()
    assert list(means) == ["stem", "1", "head"]
    assert means["1"].grad_norm == pytest.approx(grad, rel=1e-5)
    assert means["1"].weight_norm == pytest.approx(weight, rel=1e-5)
    assert means["1"].update_ratio == pytest.approx(ratio, rel=1e-5)
    assert (means["stem"].grad_norm, means["stem"].update_ratio) == (0.0, 0.0)
    assert means["stem"].weight_norm == pytest.approx(frozen, rel=1e-5)
