"""The modules that heads build, against torch's own functions."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tlf.heads import KINDS, AttentionPool, Cosine, Linear

B, F, K = 5, 12, 4


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


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


def test_linear_starts_as_documented():
    head = Linear().build(512, 100)
    assert float(head.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    assert not head.bias.detach().any()


def test_cosine_is_the_scaled_cosine():
    module = Cosine(scale=7.0).build(F, K)
    features = torch.randn(B, F)
    by_torch = functional.cosine_similarity(features[:, None], module.weight[None], dim=-1)
    torch.testing.assert_close(module(features), 7 * by_torch)
    torch.testing.assert_close(module(features), module(features * 1000))
    assert float(module.weight.detach().norm(dim=1).mean()) == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_gradient_of_cosine_is_finite_for_features_of_zero(dtype):
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
    normed = module.norm(tokens)
    weights, biases = module.attention.in_proj_weight, module.attention.in_proj_bias
    (w_q, w_k, w_v), (b_q, b_k, b_v) = weights.chunk(3), biases.chunk(3)
    query = (module.query[0] @ w_q.T + b_q).view(1, 1, 3, 4)
    keys = (normed @ w_k.T + b_k).view(B, 6, 3, 4)
    values = (normed @ w_v.T + b_v).view(B, 6, 3, 4)
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


@pytest.mark.parametrize("shape", [(B, F), (B, 3, 4, F), (B, 6, F + 1)])
def test_attention_pool_refuses_other_shapes(shape):
    module = AttentionPool(heads=3).build(F, K)
    with pytest.raises(ValueError, match="the input of attention pooling must be maps"):
        module(torch.randn(shape))


@pytest.mark.parametrize("kind", KINDS)
def test_every_head_is_exported_for_any_number_of_images(kind):
    head = KINDS[kind](**({"heads": 3} if kind == "attention-pool" else {})).build(F, K).eval()
    one = (F, 2, 3) if kind == "attention-pool" else (F,)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(head, (torch.zeros(2, *one),), dynamic_shapes=({0: batch},))
    for count in (1, B):
        features = torch.randn(count, *one)
        torch.testing.assert_close(program.module()(features), head(features))
