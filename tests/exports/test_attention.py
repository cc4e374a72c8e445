"""Attention of three or five dimensions gives the same with four."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from tlf.exports.attention import FourDimensions


@pytest.mark.parametrize("dimensions", [(3,), (2, 3), (2, 3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("masked", [None, (6, 7), (1, 6, 7), "all"])
def test_it_gives_what_torch_gives(dimensions, masked):
    torch.manual_seed(0)
    query = torch.randn(*dimensions, 6, 8)
    key, value = (torch.randn(*dimensions, 7, width) for width in (8, 9))
    shape = (*dimensions, 6, 7) if masked == "all" else masked
    mask = torch.randn(shape) if shape else None
    expected = scaled_dot_product_attention(query, key, value, mask, scale=0.5)
    with FourDimensions():
        found = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.5)
    torch.testing.assert_close(found, expected)


def test_every_attention_has_four_dimensions():
    seen = []

    class Seen(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is scaled_dot_product_attention:
                seen.append([tensor.ndim for tensor in args[:3]])
            return func(*args, **(kwargs or {}))

    with Seen(), FourDimensions():
        for dimensions in ((2, 3, 4, 6, 8), (3, 6, 8)):
            scaled_dot_product_attention(*(torch.randn(dimensions) for _ in range(3)))
    assert seen == [[4, 4, 4]] * 2
