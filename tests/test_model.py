import pytest
import torch
from torch import nn

from tlf.model import (
    Classifier,
    channels_last,
    normalisation_modules,
    parameter_count,
    restore_tensors,
    trains_batchnorm,
)

STAGES = {"stem": ["conv.weight", "conv.bias"], "norm": ["norm.weight", "norm.bias"]}


class Backbone(nn.Module):
    """A convolution and a norm; features are the mean of the maps."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward_features(self, images):
        return self.norm(self.conv(images))

    def forward(self, images):
        return self.forward_features(images).mean((2, 3))


class Pooling(nn.Linear):
    """A head that pools by the maximum."""

    pools = True

    def forward(self, maps):
        return super().forward(maps.amax((2, 3)))


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return Classifier(Backbone(), nn.Linear(4, 2), STAGES).eval()


IMAGES = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def test_logits_are_the_head_of_the_features(classifier):
    features = classifier.backbone(IMAGES)
    assert torch.equal(classifier.features(IMAGES), features)
    assert torch.equal(classifier(IMAGES), classifier.head(features))


def test_a_head_that_pools_gets_the_maps():
    classifier = Classifier(Backbone(), Pooling(4, 2), STAGES).eval()
    maps = classifier.backbone.norm(classifier.backbone.conv(IMAGES))
    assert torch.equal(classifier.features(IMAGES), maps)
    expected = maps.amax((2, 3)) @ classifier.head.weight.T + classifier.head.bias
    torch.testing.assert_close(classifier(IMAGES), expected)


def test_names_are_those_of_torch_in_the_order_of_the_stages(classifier):
    stem, norm = (tuple(f"backbone.{name}" for name in names) for names in STAGES.values())
    assert (classifier.stage("stem"), classifier.stage("norm")) == (stem, norm)
    assert classifier.backbone_names == stem + norm
    assert classifier.head_names == ("head.weight", "head.bias")
    names = [name for name, _ in classifier.named_parameters()]
    assert names == [*classifier.backbone_names, *classifier.head_names]


def test_an_unknown_stage_is_answered_with_the_nearest(classifier):
    with pytest.raises(ValueError, match="no stage 'sten'; did you mean 'stem'"):
        classifier.stage("sten")


@pytest.mark.parametrize(
    ("stages", "name"),
    [
        ({"stem": STAGES["stem"]}, "norm.bias, backbone.norm.weight"),
        ({**STAGES, "top": ["norm.bias"]}, "norm.bias"),
        ({**STAGES, "top": ["fc.weight"]}, "fc.weight"),
    ],
    ids=["missing", "twice", "unknown"],
)
def test_every_parameter_must_be_in_exactly_one_stage(stages, name):
    message = f"must be in exactly one stage; these are not: backbone.{name}$"
    with pytest.raises(ValueError, match=message):
        Classifier(Backbone(), nn.Linear(4, 2), stages)


class ScaleNorm(nn.Module):
    """A norm that inherits from none of torch's, as timm's do."""


class NormBlock(nn.Sequential):
    """A block with a norm inside, which is no norm itself."""


def test_norms_of_torch_and_others_are_found_and_blocks_are_not():
    model = nn.ModuleDict(
        {
            "batch": nn.BatchNorm1d(4),
            "group": nn.GroupNorm(2, 4),
            "instance": nn.InstanceNorm2d(4),
            "layer": nn.LayerNorm(4),
            "own": ScaleNorm(),
            "block": NormBlock(nn.Linear(4, 4), nn.RMSNorm(4)),
        }
    )
    expected = {"batch", "group", "instance", "layer", "own", "block.1"}
    assert normalisation_modules(model).keys() == expected
    assert normalisation_modules(model)["block.1"] is model["block"][1]


def test_only_the_named_parameters_are_counted(classifier):
    assert parameter_count(classifier, classifier.head_names) == 4 * 2 + 2
    assert parameter_count(classifier, ["backbone.conv.weight", "other"]) == 3 * 4 * 3 * 3
    assert parameter_count(classifier, []) == 0


def test_batchnorm_trains_where_its_own_mode_says_so(classifier):
    assert not trains_batchnorm(classifier)
    classifier.train()
    assert trains_batchnorm(classifier)
    classifier.backbone.norm.eval()
    assert not trains_batchnorm(classifier)
    assert not trains_batchnorm(nn.LayerNorm(4).train())


def test_convolutions_are_channels_last_and_compute_the_same(classifier):
    expected = classifier(IMAGES)
    assert channels_last(classifier) is classifier
    weight = classifier.backbone.conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(classifier(IMAGES), expected)


class Versioned(nn.Linear):
    """Asks for the version of a file, as torchvision's MNASNet does."""

    def _load_from_state_dict(self, state, prefix, metadata, *rest):
        raise ValueError(f"version should be set to 1 or 2 instead of {metadata.get('version')}")


def test_tensors_are_restored_also_where_no_file_would_be_loaded():
    model = nn.Sequential(Versioned(2, 3), nn.BatchNorm1d(3))
    restore_tensors(model, {"0.bias": torch.ones(3), "1.running_mean": torch.full((3,), 2.0)})
    assert model[0].bias.tolist() == [1.0] * 3
    assert model[1].running_mean.tolist() == [2.0] * 3
    with pytest.raises(KeyError):
        restore_tensors(model, {"2.weight": torch.ones(3)})
