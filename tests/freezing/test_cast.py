import pytest
import torch
from torch import nn

from tlf.freezing.cast import cast_weights
from tlf.freezing.find_partition import find_partition
from tlf.freezing.freeze import digests, freeze
from tlf.model import Classifier


class Net(nn.Module):
    """A small network; ``uses_float``: it also computes with a weight in float32."""

    def __init__(self, *, uses_float: bool) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.uses_float = uses_float

    def forward(self, images):
        values = self.norm(self.conv(images)).relu()
        scale = self.conv.weight.square().sum() if self.uses_float else 1.0
        return (values * scale).mean((2, 3))


def half():
    return torch.autocast("cpu", torch.bfloat16)


def made(*, uses_float: bool = False):
    torch.manual_seed(0)
    net = Net(uses_float=uses_float)
    names = [name for name, _ in net.named_parameters()]
    classifier = Classifier(net, nn.Linear(8, 2), {"all": names})
    frozen = frozenset(classifier.stages["all"])
    freeze(classifier, frozen)
    partition = find_partition(classifier, frozen, (3, 16, 16), half)
    assert partition is not None
    return classifier, frozen, partition


def test_casts_give_the_same_bits_and_leave_the_weights():
    classifier, frozen, partition = made()
    weights = cast_weights(classifier, frozen, partition, "bf16")
    assert {tuple(cast.shape) for _, cast in weights.pairs} == {(8, 3, 3, 3), (8,)}
    before, images = digests(classifier), torch.randn(5, 3, 16, 16)
    with half():
        expected = partition.before(classifier, images)
        with weights.used():
            assert classifier.backbone.conv.weight.dtype == torch.bfloat16
            assert classifier.backbone.norm.weight.dtype == torch.float32
            found = partition.before(classifier, images)
    assert torch.equal(found, expected)
    assert digests(classifier) == before


def test_weights_come_back_after_an_error():
    classifier, frozen, partition = made()
    weights = cast_weights(classifier, frozen, partition, "bf16")
    with pytest.raises(KeyError), weights.used():
        raise KeyError
    assert classifier.backbone.conv.weight.dtype == torch.float32


def test_no_casts_where_bits_would_differ_or_nothing_is_cast():
    classifier, frozen, partition = made(uses_float=True)
    assert cast_weights(classifier, frozen, partition, "bf16") is None
    assert cast_weights(*made(), "no") is None
