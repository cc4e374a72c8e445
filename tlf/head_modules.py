"""The torch modules that the heads of ``tlf.heads`` build.

They have a module of their own because the options of a head are read before torch is imported.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class LinearHead(nn.Linear):
    """A linear layer with dropout before it: features (B, F) → logits (B, K)."""

    def __init__(
        self, num_features: int, num_classes: int, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__(num_features, num_classes, bias=bias)
        self.dropout = dropout

    def reset_parameters(self) -> None:
        """Draw small weights, and set the bias to 0."""
        nn.init.normal_(self.weight, std=0.01)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Features (B, F) → logits (B, K)."""
        return super().forward(functional.dropout(input, self.dropout, self.training))

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets."""
        return f"{super().extra_repr()}, dropout={self.dropout}"


class CosineHead(nn.Module):
    """Scaled cosines to prototypes: features (B, F) → logits (B, K)."""

    scale: Tensor

    def __init__(
        self, num_features: int, num_classes: int, scale: float, learn_scale: bool
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_classes, num_features) / num_features**0.5)
        if learn_scale:
            self.scale = nn.Parameter(torch.tensor(scale))
        else:
            self.register_buffer("scale", torch.tensor(scale))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, F) → logits (B, K)."""
        # The gradient of features that are all zero is scale / eps: torch's 1e-12 would make it
        # explode.
        directions = functional.normalize(features, dim=-1, eps=1e-3)
        prototypes = functional.normalize(self.weight, dim=-1, eps=1e-3)
        return self.scale * functional.linear(directions, prototypes)


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
        # Not ``len``: it is a number of Python's, which torch.export takes for a constant.
        query = self.query.expand(tokens.shape[0], -1, -1)
        pooled, _ = self.attention(query, tokens, tokens, need_weights=False)
        logits: Tensor = self.linear(pooled[:, 0])
        return logits

    def _tokens(self, maps: Tensor) -> Tensor:
        tokens = maps.flatten(2).transpose(1, 2) if maps.dim() == 4 else maps
        num_features = self.query.shape[-1]
        if tokens.dim() != 3 or tokens.shape[-1] != num_features:
            raise ValueError(
                f"the input of attention pooling must be maps (B, {num_features}, H, W) or tokens "
                f"(B, N, {num_features}), got {tuple(maps.shape)}; pass the output of the "
                "backbone's forward_features"
            )
        return tokens
