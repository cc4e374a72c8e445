import copy

import pytest
import torch
from torch import nn

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
