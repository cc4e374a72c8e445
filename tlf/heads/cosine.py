"""Scaled cosines."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


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
