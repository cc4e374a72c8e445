"""The cosine between features and a prototype of each class."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Cosine:
    """The cosine between the features and a prototype of each class, times a scale.

    Logits do not depend on how long the features are, which helps with few pictures per class.
    Prototypes start as random directions of a length close to 1.

    Source: Gidaris & Komodakis 2018, arXiv:1804.09458.
    """

    scale: float = 10.0
    """What cosines are multiplied by: the inverse of the softmax's temperature."""
    learn_scale: bool = True
    """Whether the scale is learned from there, or stays."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale is a number above 0, not {self.scale}")

    def build(self, num_features: int, num_classes: int) -> nn.Module:
        """Build the head. Its state is ``weight`` (K, F) and ``scale`` (a single number)."""
        return CosineHead(num_features, num_classes, self.scale, self.learn_scale)


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
