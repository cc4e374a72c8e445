"""The cosine between features and a prototype of each class."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


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

    def build(self, num_features: int, num_classes: int) -> "nn.Module":
        """Build the head. Its state is ``weight`` (K, F) and ``scale`` (a single number)."""
        from tlf.heads.modules.cosine import CosineHead

        return CosineHead(num_features, num_classes, self.scale, self.learn_scale)
