"""Compare tensors by name."""

from collections.abc import Mapping

import torch


def same(tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> bool:
    """Whether they have the same names, and the same bits under each."""
    assert tensors.keys() == expected.keys()
    return all(torch.equal(tensors[name], expected[name]) for name in expected)
