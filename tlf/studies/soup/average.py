"""The mean of several models' weights. One model is in memory at a time, beside the sum."""

from collections.abc import Mapping

import torch
from torch import Tensor

from tlf.errors import WeightsError
from tlf.pretrained.names import COUNTER, shown

Tensors = Mapping[str, Tensor]


class Average:
    """The mean of the models that were added.

    It is the first model plus the mean difference from it, which is summed in float64. So a tensor
    that is the same in all models stays the same, to the last bit, whatever its type is.
    """

    def __init__(self, first: Tensors) -> None:
        self.first = first
        self.models = 1
        self._differences = {
            name: torch.zeros(tensor.shape, dtype=torch.float64) for name, tensor in first.items()
        }

    def add(self, model: Tensors) -> None:
        """Add a model with the same tensors.

        Raises:
            WeightsError: it has a tensor of which there is no mean.
        """
        for name, tensor in model.items():
            self._differences[name] += self._difference(name, tensor)
        self.models += 1

    def mean(self, candidate: Tensors | None = None) -> dict[str, Tensor]:
        """The mean, or what it would be with one more model, which is not added.

        Raises:
            WeightsError: that model has a tensor of which there is no mean.
        """
        if candidate is None:
            return {name: self._mean(name, self._differences[name], self.models)
                    for name in self.first}  # fmt: skip
        return {
            name: self._mean(
                name, self._differences[name] + self._difference(name, tensor), self.models + 1
            )
            for name, tensor in candidate.items()
        }

    def _difference(self, name: str, tensor: Tensor) -> Tensor:
        """A tensor minus that of the first model, in float64."""
        first = self.first[name]
        averages = first.is_floating_point() or name.endswith(COUNTER)
        if not averages and not torch.equal(tensor, first):
            raise WeightsError(
                f"{shown(name)} must be the same in all runs, as {first.dtype} has no mean; leave "
                "one of the runs out"
            )
        return tensor.double() - first.double()

    def _mean(self, name: str, differences: Tensor, models: int) -> Tensor:
        first = self.first[name]
        mean = first.double() + differences / models
        return (mean if first.is_floating_point() else mean.round()).to(first.dtype)
