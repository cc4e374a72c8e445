import copy
import pickle

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.models.vision_transformer import VisionTransformer

from tlf.pretrained import feature_maps
from tlf.pretrained.feature_maps import offer_timm, offer_torchvision, top


class Rows(nn.Module):
    """What timm's networks have in common, with maps laid out as (B, H, W, F)."""

    output_fmt = "NHWC"
    num_features = head_hidden_size = 5

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 1)

    def forward_features(self, images):
        return self.conv(images).permute(0, 2, 3, 1)

    def forward_head(self, maps):
        return maps.mean((1, 2))

    def forward(self, images):
        return self.forward_head(self.forward_features(images))

    def reset_classifier(self, classes):
        raise NotImplementedError


class Wider(Rows):
    head_hidden_size = 10

    def forward_head(self, maps):
        return maps.mean((1, 2)).repeat(1, 2)


class Encoder(nn.Module):
    num_features, head_hidden_size = 3, 5

    def __init__(self, tokens):
        super().__init__()
        self.conv, self.tokens = nn.Conv2d(3, 5, 1), tokens

    def forward_features(self, images):
        return self.conv(images)

    def forward(self, images):
        maps = self.forward_features(images)
        return maps.flatten(2).mT if self.tokens else maps


IMAGES = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))


def test_maps_with_channels_last_become_tokens_row_by_row():
    plain = Rows()
    adapted = copy.deepcopy(plain)
    assert offer_timm(adapted) == 5
    tokens = adapted.forward_features(IMAGES)
    assert torch.equal(tokens, plain.forward_features(IMAGES).reshape(2, 24, 5))
    assert torch.equal(adapted(IMAGES), plain(IMAGES))
    assert list(adapted.state_dict()) == list(plain.state_dict())


def test_a_network_whose_maps_are_narrower_than_its_features_has_none():
    plain = Wider()
    adapted = copy.deepcopy(plain)
    assert offer_timm(adapted) == 10
    assert not hasattr(adapted, "forward_features")
    assert torch.equal(adapted(IMAGES), plain(IMAGES))


@pytest.mark.parametrize("tokens", [True, False])
def test_the_features_of_an_encoder_are_the_mean_over_positions(tokens):
    plain = Encoder(tokens)
    adapted = copy.deepcopy(plain)
    assert offer_timm(adapted) == 5
    torch.testing.assert_close(adapted(IMAGES), plain.conv(IMAGES).mean((2, 3)))
    assert torch.equal(adapted.forward_features(IMAGES), plain(IMAGES))


def test_a_copy_does_not_depend_on_its_original():
    original = Rows()
    offer_timm(original)
    twin = copy.deepcopy(original)
    nn.init.zeros_(original.conv.weight)
    assert not torch.equal(twin.forward_features(IMAGES), original.forward_features(IMAGES))


def test_the_output_of_the_named_child_is_the_maps():
    net = nn.Sequential()
    net.stem, net.features, net.pool = nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AvgPool2d(2)
    expected = net.stem(IMAGES).relu()
    offer_torchvision(net, "features")
    assert torch.equal(net.forward_features(IMAGES), expected)


def test_hidden_layers_before_the_classifier_leave_no_maps():
    net = nn.Sequential()
    net.features = nn.Conv2d(3, 4, 1)
    net.classifier = nn.Sequential(nn.LayerNorm(4), nn.Identity())
    assert top(net, "classifier.1") == "features"
    net.classifier = nn.Sequential(nn.Linear(4, 4), nn.Identity())
    assert top(net, "classifier.1") == ""


def in_another_process(network):
    """The network, pickled, where nothing has made its class yet."""
    data = pickle.dumps(network)
    feature_maps._subclass.cache_clear()
    return pickle.loads(data)


@pytest.mark.parametrize("plain", [Rows(), Wider(), Encoder(tokens=True), Encoder(tokens=False)])
def test_a_network_of_timm_can_be_pickled(plain):
    offer_timm(plain)
    again = in_another_process(plain)
    assert torch.equal(again(IMAGES), plain(IMAGES))
    assert hasattr(again, "forward_features") == hasattr(plain, "forward_features")
    if hasattr(plain, "forward_features"):
        assert torch.equal(again.forward_features(IMAGES), plain.forward_features(IMAGES))
    assert type(copy.deepcopy(again)) is type(again)


def test_a_network_of_torchvision_can_be_pickled():
    net = ResNet(BasicBlock, [1, 1, 1, 1]).eval()
    offer_torchvision(net, "layer4")
    again = in_another_process(net)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(again.forward_features(images), net.forward_features(images))
    assert torch.equal(again(images), net(images))


def test_the_tokens_of_a_vision_transformer_are_exported_for_any_number_of_images():
    net = VisionTransformer(
        image_size=32, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8
    ).eval()
    offer_torchvision(net, "encoder")
    holder = nn.Module()
    holder.net, holder.forward = net, lambda images: net.forward_features(images)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(
        holder, (torch.zeros(2, 3, 32, 32),), dynamic_shapes=({0: batch},)
    )
    images = torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(program.module()(images), net.forward_features(images))
