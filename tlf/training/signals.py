"""Norms of gradients, weights and updates of every stage, measured on a few updates of an epoch."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from tlf.model import Classifier
from tlf.results import StageSignals

MEASURED = 8
"""Updates of an epoch that are measured. Each costs a copy of the trainable parameters."""


def measured_updates(updates: int) -> frozenset[int]:
    """Which updates of an epoch are measured: evenly spaced, the first and the last included.

    >>> sorted(measured_updates(100)), sorted(measured_updates(3))
    ([0, 14, 28, 42, 56, 70, 84, 99], [0, 1, 2])
    """
    if updates <= MEASURED:
        return frozenset(range(updates))
    return frozenset(n * (updates - 1) // (MEASURED - 1) for n in range(MEASURED))


class Signals:
    """Sums over the measured updates of an epoch."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: dict[str, list[float]] = {}
        """Stage → sums of the gradient's norm, the weights' norm and the update-to-weight ratio."""
        self._before: dict[str, Tensor] = {}

    def before(
        self, classifier: Classifier, trainable: Collection[str], frozen_norms: dict[str, float]
    ) -> None:
        """Measure gradients and weights, before the optimizer's step.

        Parameters:
            classifier: the model, with its gradients.
            trainable: names of the parameters that train.
            frozen_norms: frozen stage → the norm of its weights, which is computed once. Missing
                ones are added.
        """
        self.count += 1
        parameter = classifier.get_parameter
        self._before = {name: parameter(name).detach().clone() for name in trainable}
        for stage, names in _parts(classifier).items():
            sums = self.sums.setdefault(stage, [0.0, 0.0, 0.0])
            if stage in frozen_norms:
                sums[1] += frozen_norms[stage]
                continue
            gradients = [parameter(name).grad for name in names]
            weights = _norm([parameter(name).detach() for name in names])
            sums[0] += _norm([gradient for gradient in gradients if gradient is not None])
            sums[1] += weights
            if self._before.keys().isdisjoint(names):
                frozen_norms[stage] = weights

    def after(self, classifier: Classifier) -> None:
        """Measure how far the optimizer's step moved the weights."""
        for stage, names in _parts(classifier).items():
            trained_names = [name for name in names if name in self._before]
            moves = [classifier.get_parameter(n).detach() - self._before[n] for n in trained_names]
            weights = _norm([self._before[name] for name in trained_names])
            self.sums[stage][2] += _norm(moves) / weights if weights else 0.0
        self._before = {}

    def means(self) -> Mapping[str, StageSignals]:
        """Stage or head → means over the measured updates."""
        return {
            stage: StageSignals(*(figure / self.count for figure in sums))
            for stage, sums in self.sums.items()
        }


def _parts(classifier: Classifier) -> dict[str, tuple[str, ...]]:
    return {**classifier.stages, "head": classifier.head_names}


def _norm(tensors: list[Tensor]) -> float:
    """The L2 norm of all tensors together."""
    if not tensors:
        return 0.0
    norms = torch._foreach_norm(tensors)
    return float(torch.stack([norm.float() for norm in norms]).norm().item())
