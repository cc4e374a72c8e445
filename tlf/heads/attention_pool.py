"""Attention in the place of average pooling."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tlf.heads.linear import LinearHead, check_dropout


@dataclass(frozen=True)
class AttentionPool:
    """A learned query attends to every place of the picture; a linear layer reads what it gathered.

    Takes the backbone's maps (B, F, H, W) or tokens (B, N, F) instead of pooled features. The query
    starts close to 0, so that it first attends to all places alike, as average pooling does.

    Source: pooling by attention, Lee et al. 2018, arXiv:1810.00825; as a probe of a frozen
    backbone, Bardes et al. 2024, arXiv:2404.08471.
    """

    heads: int = 8
    """Attention heads. They share the features out, so that F has to be a multiple of it."""
    dropout: float = 0.0
    """Chance that a pooled feature is set to 0 while training."""

    def __post_init__(self) -> None:
        """Check the options."""
        check_dropout(self.dropout)
        if self.heads < 1:
            raise ValueError(f"heads is a number from 1 on, not {self.heads}")

    def build(self, num_features: int, num_classes: int) -> nn.Module:
        """Build the head.

        Raises:
            ValueError: the features cannot be shared out among the attention heads.
        """
        if num_features % self.heads:
            fitting = _largest_divisor(num_features, self.heads)
            raise ValueError(
                f"{num_features} features cannot be shared out among {self.heads} attention heads; "
                f"write heads = {fitting}"
            )
        return AttentionPoolHead(num_features, num_classes, self.heads, self.dropout)


class AttentionPoolHead(nn.Module):
    """Attention pooling, then a linear layer: maps (B, F, H, W) or tokens (B, N, F) → logits."""

    pools = True

    def __init__(self, num_features: int, num_classes: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(num_features)
        self.query = nn.Parameter(torch.randn(1, 1, num_features) * 0.02)
        self.attention = nn.MultiheadAttention(num_features, heads, batch_first=True)
        self.linear = LinearHead(num_features, num_classes, dropout)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, F, H, W) or tokens (B, N, F) → logits (B, K)."""
        tokens = self.norm(self._tokens(maps))
        query = self.query.expand(len(tokens), -1, -1)
        pooled, _ = self.attention(query, tokens, tokens, need_weights=False)
        logits: Tensor = self.linear(pooled[:, 0])
        return logits

    def _tokens(self, maps: Tensor) -> Tensor:
        tokens = maps.flatten(2).transpose(1, 2) if maps.dim() == 4 else maps
        num_features = self.query.shape[-1]
        if tokens.dim() != 3 or tokens.shape[-1] != num_features:
            raise ValueError(
                f"attention pooling takes maps (B, {num_features}, H, W) or tokens "
                f"(B, N, {num_features}), not {tuple(maps.shape)}"
            )
        return tokens


def _largest_divisor(number: int, most: int) -> int:
    """The largest divisor that is not above ``most``.

    >>> _largest_divisor(384, 10)
    8
    """
    return max(divisor for divisor in range(1, most + 1) if number % divisor == 0)
