"""A small network of linear layers."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn
from tlf.heads.linear import check_dropout


@dataclass(frozen=True)
class Mlp:
    """Hidden layers with ReLU, then a linear layer.

    Hidden weights are drawn from a normal distribution of deviation sqrt(2 / width of the layer
    before), those of the last layer from one of deviation 0.01; biases start at 0.

    Source: the start of hidden weights, He et al. 2015, arXiv:1502.01852.
    """

    hidden: tuple[int, ...] = (512,)
    """Width of each hidden layer."""
    dropout: float = 0.0
    """Probability that a hidden value is set to 0 in training."""
    norm: Literal["none", "batch", "layer"] = "none"
    """Normalisation of each hidden layer, before ReLU."""

    def __post_init__(self) -> None:
        """Check the options."""
        check_dropout(self.dropout)
        if not self.hidden:
            raise ValueError('hidden must hold a width, got none; write kind = "linear"')
        if min(self.hidden) < 1:
            raise ValueError(
                f"hidden must hold widths above 0, got {min(self.hidden)}; write hidden = [512]"
            )

    def build(self, num_features: int, num_classes: int) -> "nn.Module":
        """Build the layers, called ``linear1``, ``norm1``, ``relu1``, ``dropout1`` and so on."""
        from torch import nn

        from tlf.head_modules import LinearHead

        norms = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        width = num_features
        for number, wider in enumerate(self.hidden, start=1):
            layers[f"linear{number}"] = _hidden_layer(width, wider)
            if self.norm != "none":
                layers[f"norm{number}"] = norms[self.norm](wider)
            layers[f"relu{number}"] = nn.ReLU()
            if self.dropout:
                layers[f"dropout{number}"] = nn.Dropout(self.dropout)
            width = wider
        layers[f"linear{len(self.hidden) + 1}"] = LinearHead(width, num_classes)
        return nn.Sequential(layers)


def _hidden_layer(width: int, wider: int) -> "nn.Linear":
    from torch import nn

    layer = nn.Linear(width, wider)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer
