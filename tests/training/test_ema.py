import pytest
import torch
from timm.utils import ModelEmaV3
from torch import nn

from tlf.model import Classifier
from tlf.training.ema import Ema


def model():
    torch.manual_seed(0)
    stages = {"stem": ("0.weight", "0.bias"), "1": ("1.weight", "1.bias")}
    return Classifier(nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)), nn.Linear(3, 2), stages)


@pytest.mark.parametrize("warmup", [True, False])
def test_the_average_is_timms(warmup):
    classifier = model()
    average = Ema(0.75, warmup=warmup)
    theirs = ModelEmaV3(classifier, decay=0.75, use_warmup=warmup)
    average.follow(classifier, [name for name, _ in classifier.named_parameters()])
    optimizer = torch.optim.SGD(classifier.parameters(), lr=0.1)
    for number in range(1, 13):
        classifier(torch.randn(3, 5)).square().sum().backward()
        optimizer.step()
        average.update(classifier)
        theirs.update(classifier, step=number if warmup else None)
        for name, tensor in theirs.module.state_dict().items():
            assert torch.equal(average.tensors[name], tensor), name
    assert average.updates == 12


def test_the_average_of_few_updates_is_of_them_and_not_of_the_start():
    """After ten steps from 0 to 10, with a decay that would need thousands."""
    classifier = model()
    head = classifier.head.weight
    torch.nn.init.zeros_(head)
    warm, fixed = Ema(0.999, warmup=True), Ema(0.999, warmup=False)
    for average in (warm, fixed):
        average.follow(classifier, classifier.head_names)
    for _ in range(10):
        with torch.no_grad():
            head += 1
        warm.update(classifier)
        fixed.update(classifier)
    assert warm.tensors["head.weight"].mean() > 7
    assert fixed.tensors["head.weight"].mean() < 0.06


def test_the_average_goes_in_and_out_of_the_model():
    classifier = model()
    average = Ema(0.5, warmup=False)
    average.follow(classifier, classifier.head_names)
    start = classifier.head.weight.detach().clone()
    with torch.no_grad():
        classifier.head.weight += 1
    average.update(classifier)
    with average.inside(classifier):
        assert average.is_inside
        assert torch.allclose(classifier.head.weight, start + 0.5)
    assert not average.is_inside
    assert torch.equal(classifier.head.weight, start + 1)


def test_a_stage_that_thaws_is_averaged_from_then_on():
    classifier = model()
    average = Ema(0.5, warmup=False)
    average.follow(classifier, classifier.head_names)
    with torch.no_grad():
        classifier.backbone[1].weight += 1
    average.follow(classifier, [*classifier.head_names, "backbone.1.weight"])
    assert torch.equal(average.tensors["backbone.1.weight"], classifier.backbone[1].weight)
