import math
import pickle
from dataclasses import asdict

import pytest
import torch
from torch import nn
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


@pytest.mark.parametrize("bias", [True, False])
def test_linear_has_the_state_of_torchs_linear_and_computes_the_same(bias):
    head = Linear(dropout=0.5, bias=bias).build(F, K)
    reference = nn.Linear(F, K, bias=bias)
    assert isinstance(head, nn.Linear)
    assert list(head.state_dict()) == list(reference.state_dict())
    reference.load_state_dict(head.state_dict())
    features = torch.randn(B, F)
    assert torch.equal(head.eval()(features), reference(features))


def test_linear_drops_features_only_while_training():
    head = Linear(dropout=0.5).build(F, K)
    features = torch.randn(B, F)
    torch.manual_seed(1)
    dropped = functional.dropout(features, 0.5)
    torch.manual_seed(1)
    expected = functional.linear(dropped, head.weight, head.bias)
    assert torch.equal(head(features), expected)
    assert not torch.equal(head(features), head.eval()(features))
    assert "dropout=0.5" in repr(head)


@pytest.mark.parametrize("head", [Linear(), Mlp(), AttentionPool(heads=4)])
def test_the_first_loss_is_close_to_that_of_a_guess(head):
    module = head.build(512, 10)
    features = torch.randn(64, 3, 512) if isinstance(head, AttentionPool) else torch.rand(64, 512)
    loss = functional.cross_entropy(module(features), torch.arange(64) % 10)
    assert abs(float(loss.detach()) - math.log(10)) < 0.1


def test_linear_starts_as_documented():
    head = Linear().build(512, 100)
    assert float(head.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    assert not head.bias.detach().any()


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


def test_cosine_is_the_scaled_cosine():
    module = Cosine(scale=7.0).build(F, K)
    features = torch.randn(B, F)
    by_torch = functional.cosine_similarity(features[:, None], module.weight[None], dim=-1)
    torch.testing.assert_close(module(features), 7 * by_torch)
    torch.testing.assert_close(module(features), module(features * 1000))
    assert float(module.weight.detach().norm(dim=1).mean()) == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize("train", [True, False])
def test_cosine_trains_its_scale_or_keeps_it(train):
    module = Cosine(learn_scale=train).build(F, K)
    assert set(module.state_dict()) == {"weight", "scale"}
    assert ("scale" in dict(module.named_parameters())) is train
    assert float(module.scale.detach()) == 10


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cosine_of_nothing_is_finite(dtype):
    module = Cosine().build(F, K).to(dtype)
    features = torch.zeros(B, F, dtype=dtype, requires_grad=True)
    module(features).sum().backward()
    assert features.grad.isfinite().all()


def test_attention_pool_takes_maps_and_tokens_alike():
    module = AttentionPool(heads=3).build(F, K).eval()
    assert module.pools is True
    maps = torch.randn(B, F, 2, 3)
    tokens = maps.flatten(2).transpose(1, 2)
    assert module(maps).shape == (B, K)
    torch.testing.assert_close(module(maps), module(tokens))
    shuffled = tokens[:, torch.tensor([3, 1, 0, 5, 4, 2])]
    torch.testing.assert_close(module(shuffled), module(tokens))


def test_attention_pool_computes_attention():
    module = AttentionPool(heads=3).build(F, K).eval()
    nn.init.normal_(module.query)
    tokens = torch.randn(B, 6, F)
    kept = module.norm(tokens)
    weights, biases = module.attention.in_proj_weight, module.attention.in_proj_bias
    (w_q, w_k, w_v), (b_q, b_k, b_v) = weights.chunk(3), biases.chunk(3)
    query = (module.query[0] @ w_q.T + b_q).view(1, 1, 3, 4)
    keys = (kept @ w_k.T + b_k).view(B, 6, 3, 4)
    values = (kept @ w_v.T + b_v).view(B, 6, 3, 4)
    shares = ((query * keys).sum(-1) / 2).softmax(1)
    pooled = (shares[..., None] * values).sum(1).reshape(B, F)
    out = module.attention.out_proj
    expected = module.linear(pooled @ out.weight.T + out.bias)
    torch.testing.assert_close(module(tokens), expected)


def test_attention_pool_starts_close_to_average_pooling():
    module = AttentionPool(heads=3).build(F, K)
    tokens = module.norm(torch.randn(B, 6, F))
    query = module.query.expand(B, -1, -1)
    _, shares = module.attention(query, tokens, tokens)
    torch.testing.assert_close(shares, torch.full((B, 1, 6), 1 / 6), atol=0.02, rtol=0)


def test_attention_pool_works_for_any_number_of_features():
    with pytest.raises(ValueError, match="number of features, 384, got 10; write heads = 8"):
        AttentionPool(heads=10).build(384, K)
    with pytest.raises(ValueError, match="write heads = 1"):
        AttentionPool(heads=6).build(7, K)
    assert AttentionPool(heads=1).build(7, K)(torch.randn(2, 7, 3, 3)).shape == (2, K)


@pytest.mark.parametrize("shape", [(B, F), (B, 3, 4, F), (B, 6, F + 1)])
def test_attention_pool_names_the_shape_that_it_cannot_take(shape):
    module = AttentionPool(heads=3).build(F, K)
    with pytest.raises(ValueError, match="the input of attention pooling must be maps"):
        module(torch.randn(shape))


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
