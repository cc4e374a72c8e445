"""Pooling by attention."""

import torch
from torch import Tensor, nn

from tlf.heads.modules.linear import LinearHead


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
