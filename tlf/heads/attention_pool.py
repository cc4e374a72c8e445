"""Attention in the place of average pooling."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlf.heads.linear import check_dropout

if TYPE_CHECKING:
    from torch import nn


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

    def build(self, num_features: int, num_classes: int) -> "nn.Module":
        """Build the head.

        Raises:
            ValueError: the features cannot be shared out among the attention heads.
        """
        from tlf.heads.modules.attention_pool import AttentionPoolHead

        if num_features % self.heads:
            fitting = _largest_divisor(num_features, self.heads)
            raise ValueError(
                f"{num_features} features cannot be shared out among {self.heads} attention heads; "
                f"write heads = {fitting}"
            )
        return AttentionPoolHead(num_features, num_classes, self.heads, self.dropout)


def _largest_divisor(number: int, most: int) -> int:
    """The largest divisor that is not above ``most``.

    >>> _largest_divisor(384, 10)
    8
    """
    return max(divisor for divisor in range(1, most + 1) if number % divisor == 0)
