import math
import pickle
from dataclasses import asdict

import pytest
import torch
from torch.nn import functional

from tlf.builtin.heads import tlf_heads
from tlf.heads import AttentionPool, Cosine, Linear, Mlp

B, F, K = 5, 12, 4


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("head", [Linear(), Mlp(), Cosine(), Mlp(hidden=(8, 6), norm="batch")])
def test_features_become_logits(head):
    module = head.build(F, K)
    logits = module(torch.randn(B, F))
    assert logits.shape == (B, K)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    assert not getattr(module, "pools", False)


@pytest.mark.parametrize("head", [Linear(), Mlp(), AttentionPool(heads=4)])
def test_the_first_loss_is_close_to_that_of_a_guess(head):
    module = head.build(512, 10)
    features = torch.randn(64, 3, 512) if isinstance(head, AttentionPool) else torch.rand(64, 512)
    loss = functional.cross_entropy(module(features), torch.arange(64) % 10)
    assert abs(float(loss.detach()) - math.log(10)) < 0.1


def test_mlp_layers_and_their_count():
    module = Mlp(hidden=(8, 6), dropout=0.1, norm="layer").build(F, K)
    assert list(dict(module.named_children())) == [
        *("linear1", "norm1", "relu1", "dropout1"),
        *("linear2", "norm2", "relu2", "dropout2"),
        "linear3",
    ]
    by_hand = (12 * 8 + 8) + 2 * 8 + (8 * 6 + 6) + 2 * 6 + (6 * 4 + 4)
    assert count(module) == by_hand


def test_mlp_computes_what_its_layers_say():
    module = Mlp(hidden=(8,)).build(F, K)
    features = torch.randn(B, F)
    hidden = (features @ module.linear1.weight.T + module.linear1.bias).clamp_min(0)
    expected = hidden @ module.linear2.weight.T + module.linear2.bias
    torch.testing.assert_close(module(features), expected)


def test_mlp_keeps_the_scale_of_features():
    module = Mlp(hidden=(512, 512, 512)).build(512, K)
    hidden = module[:-1](torch.randn(64, 512)).detach()
    # ReLU halves the mean square of a centred normal value, which He's start makes up for.
    assert float(hidden.square().mean()) == pytest.approx(1.0, rel=0.3)


@pytest.mark.parametrize("train", [True, False])
def test_cosine_trains_its_scale_or_keeps_it(train):
    module = Cosine(learn_scale=train).build(F, K)
    assert set(module.state_dict()) == {"weight", "scale"}
    assert ("scale" in dict(module.named_parameters())) is train
    assert float(module.scale.detach()) == 10


def test_attention_pool_works_for_any_number_of_features():
    with pytest.raises(ValueError, match="number of features, 384, got 10; write heads = 8"):
        AttentionPool(heads=10).build(384, K)
    with pytest.raises(ValueError, match="write heads = 1"):
        AttentionPool(heads=6).build(7, K)
    assert AttentionPool(heads=1).build(7, K)(torch.randn(2, 7, 3, 3)).shape == (2, K)


@pytest.mark.parametrize(
    ("head", "options", "message"),
    [
        (Linear, {"dropout": 1.5}, "dropout must be from 0 to below 1, got 1.5; write"),
        (Linear, {"dropout": 1.0}, "got 1.0"),
        (Linear, {"dropout": float("nan")}, "got nan"),
        (Mlp, {"dropout": -0.1}, "got -0.1"),
        (Mlp, {"hidden": ()}, 'kind = "linear"'),
        (Mlp, {"hidden": (8, 0)}, "widths above 0, got 0"),
        (Cosine, {"scale": 0.0}, "above 0, got 0.0"),
        (AttentionPool, {"heads": 0}, "at least 1, got 0"),
        (AttentionPool, {"dropout": 1.0}, "got 1.0"),
    ],
)
def test_wrong_options(head, options, message):
    with pytest.raises(ValueError, match=message):
        head(**options)


@pytest.mark.parametrize("kind", tlf_heads())
def test_components_are_values(kind):
    head = tlf_heads()[kind]()
    assert pickle.loads(pickle.dumps(head)) == head
    assert type(head)(**asdict(head)) == head


@pytest.mark.parametrize("kind", tlf_heads())
def test_state_goes_from_one_head_to_another(kind):
    head = tlf_heads()[kind]()
    old, new = head.build(16, K).eval(), head.build(16, K).eval()
    features = torch.randn(B, 3, 16) if getattr(old, "pools", False) else torch.randn(B, 16)
    assert not torch.equal(old(features), new(features))
    new.load_state_dict(old.state_dict())
    assert torch.equal(old(features), new(features))
