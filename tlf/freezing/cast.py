"""Frozen weights in half precision, cast once instead of in every batch.

Under autocast, a convolution or linear layer casts its weight to half precision whenever it is
called; only weights that train are cast once for several calls. A weight that is frozen stays what
it is, so its cast is kept. The products, and their bits, are the same.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tlf.freezing.partition import Partition
from tlf.model import Classifier

_PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""Layers that use a weight in one product and in nothing else. A subclass may compute with it first
(weight standardisation, for example), in float32."""


@dataclass(frozen=True)
class CastWeights:
    """Frozen parameters, and what they are in half precision."""

    pairs: tuple[tuple[nn.Parameter, Tensor], ...]

    @contextmanager
    def used(self) -> Iterator[None]:
        """Compute with the casts inside a ``with`` block."""
        originals = [(parameter, parameter.data) for parameter, _ in self.pairs]
        try:
            for parameter, cast in self.pairs:
                parameter.data = cast
            yield
        finally:
            for parameter, data in originals:
                parameter.data = data


def cast_weights(
    classifier: Classifier, frozen: Collection[str], partition: Partition, precision: str
) -> CastWeights | None:
    """The casts of the frozen weights and biases of plain layers.

    None in float32, and where a probe shows other bits: code of a network may use a weight in
    float32, too.
    """
    if precision not in _PRECISIONS:
        return None
    parameters = {
        parameter: None
        for name, module in classifier.named_modules()
        if type(module) in _LAYERS
        for key, parameter in module.named_parameters(recurse=False)
        if f"{name}.{key}" in frozen
    }
    dtype = _PRECISIONS[precision]
    weights = CastWeights(tuple((p, p.detach().to(dtype)) for p in parameters))
    device = next(classifier.parameters()).device
    images = torch.randn(2, *partition.image, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.autocast(device.type, dtype):
        expected = partition.before(classifier, images)
        with weights.used():
            found = partition.before(classifier, images)
    return weights if torch.equal(found, expected) else None
