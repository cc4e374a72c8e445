"""A linear layer that starts small."""

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
