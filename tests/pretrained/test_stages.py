import pytest
from torch import nn

from tlf.pretrained.stages import cut, cut_timm


def block(width):
    return nn.Sequential(
        nn.Conv2d(width, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, width, 3)
    )


def layer(*after, stride=1):
    """Convolution, norm, activation, and what comes after them."""
    conv = nn.Conv2d(4, 4, 3, stride=stride)
    return nn.Sequential(conv, nn.BatchNorm2d(4), nn.ReLU(), *after)


class Grouped(nn.Sequential):
    """A network with its own groups, as timm's have."""

    def __init__(self, matcher, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)
        self.matcher = matcher

    def group_matcher(self, coarse=False):
        assert coarse, "only coarse groups are asked for"
        return self.matcher


def test_layers_share_a_stage_until_a_pooling_layer_comes():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
    )
    assert {name: len(own) for name, own in cut(net).items()} == {"stem": 2, "3": 4}


def test_a_block_with_pooling_at_its_end_is_the_last_of_its_stage():
    net = nn.Sequential()
    net.low, net.mid = layer(nn.MaxPool2d(2)), layer(nn.MaxPool2d(2))
    net.more, net.top = layer(), layer(nn.MaxPool2d(2))
    stages = cut(net)
    assert list(stages) == ["stem", "mid", "more"]
    assert {name.split(".")[0] for name in stages["more"]} == {"more", "top"}


def test_a_block_with_pooling_at_its_beginning_begins_a_stage():
    blocks = [nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(4, 4, 3)) for _ in range(2)]
    assert list(cut(nn.Sequential(layer(), *blocks))) == ["stem", "1", "2"]


def test_a_stride_begins_a_stage():
    net = nn.Sequential(layer(stride=2), layer(), layer(stride=2), layer(), nn.Conv2d(4, 4, 3, 2))
    assert list(cut(net)) == ["stem", "2", "4"]


def test_the_patch_embedding_belongs_to_the_stem_also_after_a_token():
    net = nn.Sequential()
    net.token = nn.Parameter(nn.Linear(2, 2).weight.data)
    net.patches, net.norm, net.layer1 = nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4), block(4)
    assert list(cut(net)) == ["stem", "layer1"]


def test_without_a_pooling_module_each_layer_is_a_stage():
    net = nn.Sequential(nn.BatchNorm2d(4), layer(), layer(), nn.BatchNorm2d(4), nn.Linear(4, 4))
    stages = cut(net)
    assert list(stages) == ["stem", "2", "4"]
    assert stages["stem"][:3] == ("0.weight", "0.bias", "1.0.weight")
    assert stages["2"][-2:] == ("3.weight", "3.bias")


def test_a_module_around_all_layers_is_no_stage():
    net, body = nn.Sequential(), nn.Sequential(block(4), block(4))
    net.body, net.pool = nn.Sequential(body), nn.AdaptiveAvgPool2d(1)
    assert list(cut(net)) == ["stem", "body.0.1"]


def test_one_layer_is_one_stage():
    assert cut(nn.Sequential(nn.Flatten(), nn.Linear(4, 4))) == {"stem": ("1.weight", "1.bias")}
    assert cut(nn.Sequential(nn.Flatten())) == {}


def test_a_block_is_a_stage_and_the_norm_after_it_belongs_to_it():
    net = nn.Sequential()
    net.conv1, net.layer1, net.layer2 = nn.Conv2d(3, 4, 3), block(4), block(4)
    net.norm = nn.BatchNorm2d(4)
    stages = cut(net)
    assert list(stages) == ["stem", "layer1", "layer2"]
    assert stages["layer2"][-2:] == ("norm.weight", "norm.bias")


def test_the_modules_in_a_trunk_are_stages_and_those_in_a_block_are_not():
    net = nn.Sequential()
    net.stem, net.blocks = nn.Conv2d(3, 4, 3), nn.Sequential(block(4), nn.Sequential())
    net.blocks[1].layers = nn.Sequential(block(4), block(4))
    assert list(cut(net)) == ["stem", "blocks.0", "blocks.1"]


def test_tokens_of_the_network_itself_belong_to_the_stem():
    net = nn.Sequential()
    net.token = nn.Parameter(nn.Linear(2, 2).weight.data)
    net.embed, net.blocks = nn.Linear(2, 2), nn.Sequential(block(2))
    assert cut(net)["stem"] == ("token", "embed.weight", "embed.bias")


def test_timm_groups_are_named_after_the_module_that_holds_most_of_them():
    matcher = {
        "stem": r"^conv",
        "stages": [(r"^(?:down|stages)\.(\d+)", None), (r"^norm", (99999,))],
    }
    net = Grouped(
        matcher,
        conv=nn.Conv2d(3, 4, 3),
        down=nn.ModuleList([nn.Conv2d(4, 4, 2), nn.Conv2d(4, 4, 2)]),
        stages=nn.ModuleList([block(4), block(4)]),
        norm=nn.BatchNorm2d(4),
    )
    stages = cut_timm(net)
    assert list(stages) == ["stem", "stages.0", "stages.1"]
    assert set(stages["stages.1"]) >= {"down.1.weight", "stages.1.0.weight", "norm.weight"}


def test_a_last_group_of_norms_joins_the_stage_before_it_and_one_with_layers_does_not():
    body = {"conv": nn.Conv2d(3, 4, 3), "stages": nn.ModuleList([block(4), block(4)])}
    matcher = {"stem": r"^conv", "stages": r"^stages\.(\d+)"}
    assert list(cut_timm(Grouped(matcher, **body, norm=nn.BatchNorm2d(4)))) == [
        "stem",
        "stages.0",
        "stages.1",
    ]
    hidden = nn.Sequential(nn.BatchNorm2d(4), nn.Linear(4, 4), nn.Linear(4, 4))
    names = list(cut_timm(Grouped(matcher, **body, head=hidden)))
    assert names[:3] == ["stem", "stages.0", "stages.1"]
    assert names[3].startswith("head."), "a stage called head would be taken for tlf's own head"


def test_a_matcher_that_matches_nothing_is_not_used():
    body = {"conv": nn.Conv2d(3, 4, 3), "stages": nn.ModuleList([block(4), block(4)])}
    net = Grouped({"stem": r"^renamed", "stages": r"^other\.(\d+)"}, **body)
    assert cut_timm(net) == cut(net)
    assert list(cut(net)) == ["stem", "stages.0", "stages.1"]


@pytest.mark.parametrize("cutter", [cut, cut_timm])
def test_every_parameter_is_in_exactly_one_stage(cutter):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), block(4), nn.Linear(4, 4), nn.LayerNorm(4))
    named = [name for own in cutter(net).values() for name in own]
    assert sorted(named) == sorted(name for name, _ in net.named_parameters())
