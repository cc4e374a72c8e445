"""One linear layer: the linear probe."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Linear:
    """One linear layer: the linear probe, and what most pretrained networks end in.

    Weights start as a normal distribution of deviation 0.01 and the bias as 0, so that the first
    loss is close to log(K).

    Source: the linear probe of He et al. 2019, arXiv:1911.05722.
    """

    dropout: float = 0.0
    """Chance that a feature is set to 0 while training."""
    bias: bool = True
    """Whether each class has a bias."""

    def __post_init__(self) -> None:
        """Check the options."""
        check_dropout(self.dropout)

    def build(self, num_features: int, num_classes: int) -> "nn.Module":
        """Build the layer. Its state is ``weight`` (K, F) and ``bias`` (K), as ``nn.Linear``'s."""
        from tlf.heads.modules.linear import LinearHead

        return LinearHead(num_features, num_classes, self.dropout, self.bias)


def check_dropout(dropout: float) -> None:
    """Make sure that an option is a chance to drop values with.

    Raises:
        ValueError: it is none.
    """
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is a probability from 0 to below 1, not {dropout}")
