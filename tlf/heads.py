"""The heads that come with tlf: features (B, F) → logits (B, K). They need no library but torch, so
that a trained head loads in a program without tlf's other dependencies.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

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


@dataclass(frozen=True)
class Cosine:
    """The cosine between the features and a prototype of each class, times a scale.

    Logits do not depend on the length of the feature vector, which helps with few images per
    class. Prototypes start as random directions of a length close to 1.

    Source: Gidaris & Komodakis 2018, arXiv:1804.09458.
    """

    scale: float = 10.0
    """Factor of the cosines: the inverse of the temperature of the softmax."""
    learn_scale: bool = True
    """Whether the scale is trained, or stays as it is."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 < self.scale < math.inf:
            raise ValueError(
                f"scale must be a finite number above 0, got {self.scale}; write scale = 10.0"
            )

    def build(self, num_features: int, num_classes: int) -> "nn.Module":
        """Build the head. Its state is ``weight`` (K, F) and ``scale`` (a single number)."""
        from tlf.head_modules import CosineHead

        return CosineHead(num_features, num_classes, self.scale, self.learn_scale)


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

    >>> _largest_divisor(384, 10)
    8
    """
    return max(divisor for divisor in range(1, most + 1) if number % divisor == 0)


KINDS: Mapping[str, type[Linear | Mlp | Cosine | AttentionPool]] = MappingProxyType(
    {"linear": Linear, "mlp": Mlp, "cosine": Cosine, "attention-pool": AttentionPool}
)
"""What a recipe calls a head → its class."""
