"""One linear layer: the linear probe."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Linear:
    """One linear layer: the linear probe, and the last layer of most pretrained networks.

    Weights are drawn from a normal distribution of deviation 0.01 and the bias starts at 0, so
    that the first loss is close to log(K).

    Source: the linear probe of He et al. 2019, arXiv:1911.05722.
    """

    dropout: float = 0.0
    """Probability that a feature is set to 0 in training."""
    bias: bool = True
    """Whether each class has a bias."""

    def __post_init__(self) -> None:
        """Check the options."""
        check_dropout(self.dropout)

    def build(self, num_features: int, num_classes: int) -> "nn.Module":
        """Build the layer. Its state is ``weight`` (K, F) and ``bias`` (K), as ``nn.Linear``'s."""
        from tlf.head_modules import LinearHead

        return LinearHead(num_features, num_classes, self.dropout, self.bias)


def check_dropout(dropout: float) -> None:
    """Check that an option is a probability for dropout.

    Raises:
        ValueError: it is not.
    """
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be from 0 to below 1, got {dropout}; write dropout = 0.5")
