import pickle
from collections import OrderedDict
from dataclasses import asdict, replace

import pytest
import timm
import torch
from torch import nn

from tlf.builtin.freeze_policies import (
    AllButLast,
    Alternate,
    Backbone,
    Gradual,
    Matching,
    Norms,
    Nothing,
    Only,
    Plateau,
    UpTo,
    tlf_freeze_policies,
)
from tlf.model import Classifier
from tlf.results import EpochResult, Progress

START = Progress(epoch=0, epochs=10)
REQUIRED = {"up-to": ("layer1",), "only": (("stem",),), "matching": ("weight",)}


@pytest.fixture
def model():
    stages = ("stem", "layer1", "layer2")
    blocks = [(name, nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))) for name in stages]
    names = {stage: [f"{stage}.{p}" for p in STAGE] for stage in stages}
    return Classifier(nn.Sequential(OrderedDict(blocks)), nn.Linear(2, 3), names)


STAGE = ("0.weight", "0.bias", "1.weight", "1.bias")


def of(*stages):
    return {f"backbone.{stage}.{name}" for stage in stages for name in STAGE}


def epoch(top1=0.5, loss=1.0):
    return EpochResult(
        phase="all",
        epoch=0,
        train_loss=1.0,
        metrics={"loss": loss, "top1": top1},
        lr=0.1,
        updates=1,
        seconds=1.0,
        images_per_second=1.0,
    )


def test_nothing(model):
    assert not Nothing().frozen(model, START)


def test_backbone(model):
    assert set(Backbone().frozen(model, START)) == of("stem", "layer1", "layer2")


def test_up_to_takes_a_stage_and_all_before_it(model):
    assert set(UpTo("stem").frozen(model, START)) == of("stem")
    assert set(UpTo("layer1").frozen(model, START)) == of("stem", "layer1")
    assert set(UpTo("layer2").frozen(model, START)) == set(Backbone().frozen(model, START))


@pytest.mark.parametrize(
    ("stages", "frozen"),
    [(0, ("stem", "layer1", "layer2")), (1, ("stem", "layer1")), (2, ("stem",)), (3, ())],
)
def test_all_but_last(model, stages, frozen):
    assert set(AllButLast(stages).frozen(model, START)) == of(*frozen)


def test_all_but_last_refuses_more_stages_than_there_are(model):
    with pytest.raises(
        ValueError, match=r"stages must be at most 3, .* \(stem, layer1, layer2\), got 4"
    ):
        AllButLast(4).frozen(model, START)


def test_only(model):
    assert set(Only(("layer2", "stem")).frozen(model, START)) == of("stem", "layer2")


@pytest.mark.parametrize("policy", [UpTo("layr1"), Only(("stem", "layr1"))])
def test_an_unknown_stage_is_named_with_the_nearest(model, policy):
    with pytest.raises(ValueError, match="no stage 'layr1'; did you mean 'layer1'"):
        policy.frozen(model, START)


def test_matching_searches_whole_names(model):
    found = Matching(r"layer[12]\.0\.weight$").frozen(model, START)
    assert set(found) == {"backbone.layer1.0.weight", "backbone.layer2.0.weight"}
    assert set(Matching("^head").frozen(model, START)) == {"head.weight", "head.bias"}


def test_a_pattern_that_matches_nothing(model):
    with pytest.raises(ValueError, match=r"matches no parameter; did you mean 'head\.weight'"):
        Matching("haed.weight").frozen(model, START)
    with pytest.raises(ValueError, match=r"names look like backbone\.stem\.0\.weight"):
        Matching("^zzz$").frozen(model, START)


def test_norms_are_those_of_the_backbone():
    backbone = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 1), bn=nn.BatchNorm2d(4)))
    head = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2))
    stages = {"stem": ["conv.weight", "conv.bias", "bn.weight", "bn.bias"]}
    model = Classifier(backbone, head, stages)
    assert set(Norms().frozen(model, START)) == {"backbone.bn.weight", "backbone.bn.bias"}


def test_norms_of_a_resnet_are_counted_by_hand():
    # Of a ResNet-10 with a three-layer stem: 3 in the stem, 2 in each of 4 blocks, 3 shortcuts.
    backbone = timm.create_model("resnet10t", num_classes=0)
    names = [name for name, _ in backbone.named_parameters()]
    model = Classifier(backbone, nn.Linear(512, 2), {"stem": names})
    frozen = Norms().frozen(model, START)
    assert len(frozen) == len(set(frozen)) == 2 * (3 + 2 * 4 + 3)
    weights = dict(model.named_parameters())
    assert all(weights[name].dim() == 1 for name in frozen)


def test_norms_of_a_backbone_without_any():
    model = Classifier(nn.Linear(2, 2), nn.Linear(2, 2), {"stem": ["weight", "bias"]})
    with pytest.raises(ValueError, match='no normalisation layers; leave "norms" out'):
        Norms().frozen(model, START)


@pytest.mark.parametrize(
    ("policy", "stages_frozen"),
    [
        (Gradual(), [3, 2, 1, 0, 0, 0, 0]),
        (Gradual(thaw=2), [3, 1, 0, 0, 0, 0, 0]),
        (Gradual(every=2), [3, 3, 2, 2, 1, 1, 0]),
        (Gradual(start=2), [3, 3, 3, 2, 1, 0, 0]),
        (Gradual(every=2, start=1), [3, 3, 3, 2, 2, 1, 1]),
    ],
)
def test_gradual_thaws_from_the_top(model, policy, stages_frozen):
    order = ("stem", "layer1", "layer2")
    for number, count in enumerate(stages_frozen):
        frozen = policy.frozen(model, Progress(epoch=number, epochs=10))
        assert set(frozen) == of(*order[:count])


def replay(policy, model, values, monitor):
    """How many stages are frozen in each epoch; the last epoch is the one after all values."""
    name = "loss" if monitor == "eval_loss" else "top1"
    history = tuple(epoch(**{name: value}) for value in values)
    counts = []
    for number in range(len(history) + 1):
        progress = Progress(number, 20, history=history[:number], monitor=monitor)
        counts.append(len(policy.frozen(model, progress)) // len(STAGE))
    return counts


@pytest.mark.parametrize(
    ("patience", "values", "frozen"),
    [
        (1, [0.1, 0.2, 0.3], [3, 3, 3, 3]),
        (1, [0.5, 0.5, 0.4, 0.6], [3, 3, 2, 1, 1]),
        (2, [0.5, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5], [3, 3, 3, 2, 2, 1, 1, 0]),
        (2, [0.5, 0.4, 0.6, 0.5, 0.7, 0.6], [3, 3, 3, 3, 3, 3, 3]),
        (1, [0.5] * 6, [3, 3, 2, 1, 0, 0, 0]),
    ],
)
def test_plateau_replays_the_history(model, patience, values, frozen):
    assert replay(Plateau(patience), model, values, "eval_top1") == frozen
    falling = [1 - value for value in values]
    assert replay(Plateau(patience), model, falling, "eval_loss") == frozen


def test_plateau_thaws_from_the_top(model):
    progress = replace(START, epoch=2, history=(epoch(), epoch()))
    assert set(Plateau(1).frozen(model, progress)) == of("stem", "layer1")
    assert set(Plateau(1, thaw=2).frozen(model, progress)) == of("stem")


def test_alternate_takes_turns(model):
    turns = [Alternate(every=2).frozen(model, Progress(number, 10)) for number in range(6)]
    head, backbone = {"head.weight", "head.bias"}, of("stem", "layer1", "layer2")
    assert [set(turn) for turn in turns] == [backbone, backbone, head, head, backbone, backbone]


@pytest.mark.parametrize(
    ("policy", "options", "message"),
    [
        (AllButLast, {"stages": -1}, "stages must be 0 or more, got -1"),
        (Only, {"stages": ()}, 'write freeze = "nothing"'),
        (
            Matching,
            {"pattern": "layer4["},
            r"regular expression, got 'layer4\[': unterminated",
        ),
        (Gradual, {"thaw": 0}, "thaw must be 1 or more, got 0"),
        (Gradual, {"every": 0}, "every must be 1 or more, got 0"),
        (Gradual, {"start": -1}, "start must be 0 or more, got -1"),
        (Plateau, {"patience": 0}, "patience must be 1 or more, got 0"),
        (Plateau, {"thaw": 0}, "thaw must be 1 or more, got 0"),
        (Alternate, {"every": 0}, "every must be 1 or more, got 0"),
    ],
)
def test_wrong_options(policy, options, message):
    with pytest.raises(ValueError, match=message):
        policy(**options)


@pytest.mark.parametrize("kind", tlf_freeze_policies())
def test_every_policy_only_names_parameters_and_is_a_value(model, kind):
    policy = tlf_freeze_policies()[kind](*REQUIRED.get(kind, ()))
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert type(policy)(**asdict(policy)) == policy
    before = {name: p.clone() for name, p in model.named_parameters()}
    frozen = policy.frozen(model, START)
    assert policy.frozen(model, START) == frozen
    assert len(set(frozen)) == len(frozen)
    assert set(frozen) <= set(before)
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad
        assert torch.equal(parameter, before[name])
