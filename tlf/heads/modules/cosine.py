"""Scaled cosines."""

import torch
from torch import Tensor, nn
from torch.nn import functional


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
        # Features of all zeros get slopes of scale / eps: torch's 1e-12 would let them explode.
        directions = functional.normalize(features, dim=-1, eps=1e-3)
        prototypes = functional.normalize(self.weight, dim=-1, eps=1e-3)
        return self.scale * functional.linear(directions, prototypes)
