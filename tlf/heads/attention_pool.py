"""Attention instead of average pooling."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn
from tlf.heads.linear import check_dropout


@dataclass(frozen=True)
class AttentionPool:
    """Attention pooling: a trained query attends to all positions of the image, and a linear layer
    classifies the result.

    Its input is the backbone's maps (B, F, H, W) or tokens (B, N, F) instead of pooled features.
    The query starts close to 0: at first it attends to all positions equally, as average pooling
    does.

    Source: pooling by attention, Lee et al. 2018, arXiv:1810.00825; as a probe of a frozen
    backbone, Bardes et al. 2024, arXiv:2404.08471.
    """

    heads: int = 8
    """Number of attention heads. F must be a multiple of it."""
    dropout: float = 0.0
    """Probability that a pooled feature is set to 0 in training."""

    def __post_init__(self) -> None:
        """Check the options."""
        check_dropout(self.dropout)
        if self.heads < 1:
            raise ValueError(f"heads must be at least 1, got {self.heads}; write heads = 8")

    def build(self, num_features: int, num_classes: int) -> "nn.Module":
        """Build the head.

        Raises:
            ValueError: the number of features is no multiple of the attention heads.
        """
        from tlf.head_modules import AttentionPoolHead

        if num_features % self.heads:
            fitting = _largest_divisor(num_features, self.heads)
            raise ValueError(
                f"heads must divide the number of features, {num_features}, got {self.heads}; "
                f"write heads = {fitting}"
            )
        return AttentionPoolHead(num_features, num_classes, self.heads, self.dropout)


def _largest_divisor(number: int, most: int) -> int:
    """The largest divisor that is not above ``most``.

    >>> _largest_divisor(384, 10), _largest_divisor(384, 10**18)
    (8, 384)
    """
    return max(divisor for divisor in range(1, min(number, most) + 1) if number % divisor == 0)
