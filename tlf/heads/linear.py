"""One linear layer: the linear probe."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional


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

    def build(self, num_features: int, num_classes: int) -> nn.Module:
        """Build the layer. Its state is ``weight`` (K, F) and ``bias`` (K), as ``nn.Linear``'s."""
        return LinearHead(num_features, num_classes, self.dropout, self.bias)


class LinearHead(nn.Linear):
    """A linear layer with dropout before it: features (B, F) → logits (B, K)."""

    def __init__(
        self, num_features: int, num_classes: int, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__(num_features, num_classes, bias=bias)
        self.dropout = dropout

    def reset_parameters(self) -> None:
        """Start with small weights and no bias."""
        nn.init.normal_(self.weight, std=0.01)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Features (B, F) → logits (B, K)."""
        return super().forward(functional.dropout(input, self.dropout, self.training))

    def extra_repr(self) -> str:
        """What ``print`` shows of it."""
        return f"{super().extra_repr()}, dropout={self.dropout}"


def check_dropout(dropout: float) -> None:
    """Make sure that an option is a chance to drop values with.

    Raises:
        ValueError: it is none.
    """
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is a probability from 0 to below 1, not {dropout}")
