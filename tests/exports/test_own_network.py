"""A linear head in the form of a library's own classifier."""

import pytest
import torch
from torch import nn

from small_heads import F, K, backbone, metadata_of
from tlf.errors import WeightsError
from tlf.exports.own_network import arranged, own_network
from tlf.heads import Linear
from tlf.model import Classifier


class Normed(nn.Sequential):
    """A layer with a norm before it, as in LeViT."""

    def __init__(self):
        super().__init__()
        self.bn, self.linear = nn.BatchNorm1d(F), nn.Linear(F, K)


class Own(nn.Module):
    """A library's network: features, and the mean of its classifiers."""

    def __init__(self, *heads, **more):
        super().__init__()
        self.trunk = backbone()
        for name, head in [*zip(("head", "head_dist"), heads, strict=False), *more.items()]:
            setattr(self, name, head)
        self.heads = [*heads]

    def forward(self, images):
        features = self.trunk(images)
        outputs = [
            head(features[:, :, None, None]).flatten(1)
            if isinstance(head, nn.Conv2d)
            else head(features)
            for head in self.heads
        ]
        return torch.stack(outputs).mean(0)


NETWORKS = {
    "one layer": lambda: Own(nn.Linear(F, K)),
    "two heads": lambda: Own(nn.Linear(F, K), nn.Linear(F, K)),
    "two heads with norms": lambda: Own(Normed(), Normed()),
    "a convolution": lambda: Own(nn.Conv2d(F, K, 1)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_librarys_network_gives_what_backbone_and_head_give(name):
    torch.manual_seed(0)
    network, trunk, head = NETWORKS[name]().eval(), backbone(seed=5), nn.Linear(F, K)
    tensors = {f"trunk.{key}": value for key, value in trunk.state_dict().items()}
    network.load_state_dict(arranged(network, tensors, head.weight, head.bias))
    images = torch.randn(3, 3, 8, 8)
    torch.testing.assert_close(network(images), head(trunk(images)), atol=1e-6, rtol=1e-6)


def test_a_head_that_adds_to_the_logits_adds_nothing():
    network = Own(nn.Linear(F, K), aux_head=nn.Linear(F, K))
    tensors = {name: t for name, t in network.state_dict().items() if name.startswith("trunk")}
    found = arranged(network, tensors, torch.ones(K, F), torch.ones(K))
    assert not found["aux_head.weight"].any()
    assert not found["aux_head.bias"].any()


def test_a_classifier_of_other_features_is_refused():
    network = Own(nn.Linear(F // 2, K))
    tensors = {name: t for name, t in network.state_dict().items() if name.startswith("trunk")}
    with pytest.raises(WeightsError, match=r"^head of the network must be a layer of 16 features"):
        arranged(network, tensors, torch.ones(K, F), torch.ones(K))


@pytest.mark.parametrize(
    ("described", "shape"),
    [
        ({"model": "test_vit", "channels": 1, "config": {"size": 64}}, (2, 1, 64, 64)),
        ({"model": "test_resnet", "channels": 3}, (2, 3, 32, 32)),
    ],
)
def test_the_network_has_the_channels_and_the_size_of_the_run(described, shape):
    trunk = backbone()
    model = Classifier(trunk, nn.Linear(F, K), {"stem": ("0.weight", "0.bias")})
    metadata = metadata_of(model, Linear(), "linear")
    metadata.backbone.clear()
    metadata.backbone.update({"kind": "timm"} | described)
    assert own_network(metadata)(torch.zeros(shape)).shape == (2, K)
