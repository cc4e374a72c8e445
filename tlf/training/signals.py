"""Norms of gradients, weights and updates of every stage, measured on a few updates of an epoch."""

from collections.abc import Collection, Iterable, Mapping
from math import isfinite
from typing import Protocol

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


class MeasuresUpdate(Protocol):
    """Measures one update: ``Signals``, or what else watches the optimizer's step."""

    def before(
        self, classifier: Classifier, trainable: Collection[str], frozen_norms: dict[str, Tensor]
    ) -> None:
        """Measure the model with its gradients, before the optimizer's step."""

    def after(self, classifier: Classifier) -> None:
        """Measure what the step changed. It is not called where the step was skipped."""


class Signals:
    """Sums over the measured updates of an epoch."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: dict[str, list[float]] = {}
        """Stage → sums of the gradient's norm, the weights' norm and the update-to-weight ratio."""
        self._before: dict[str, Tensor] = {}
        self._measured: dict[str, list[Tensor]] = {}
        """Of the update that is being made: stage → the norm of its weights; where it trains, also
        those of its gradient, of the weights that train, and of their change."""
        self._unread: list[dict[str, list[Tensor]]] = []

    def before(
        self, classifier: Classifier, trainable: Collection[str], frozen_norms: dict[str, Tensor]
    ) -> None:
        """Measure gradients and weights, before the optimizer's step.

        Parameters:
            classifier: the model, with its gradients.
            trainable: names of the parameters that train.
            frozen_norms: frozen stage → the norm of its weights, which is computed once. Missing
                ones are added.
        """
        parameter = classifier.get_parameter
        self._before = {name: parameter(name).detach().clone() for name in trainable}
        self._measured = {}
        for stage, names in parts(classifier).items():
            if stage not in frozen_norms:
                own = [parameter(name) for name in names]
                weights = self._norm([weight.detach() for weight in own])
                if self._before.keys().isdisjoint(names):
                    frozen_norms[stage] = weights
                else:
                    slopes = [weight.grad for weight in own if weight.grad is not None]
                    trained = [self._before[name] for name in names if name in self._before]
                    self._measured[stage] = [weights, self._norm(slopes), self._norm(trained)]
            if stage in frozen_norms:
                self._measured[stage] = [frozen_norms[stage]]

    def after(self, classifier: Classifier) -> None:
        """Measure how far the optimizer's step moved the weights."""
        for stage, names in parts(classifier).items():
            trained_names = [name for name in names if name in self._before]
            moves = [classifier.get_parameter(n).detach() - self._before[n] for n in trained_names]
            if moves:
                self._measured[stage].append(self._norm(moves))
        self._unread.append(self._measured)
        self._before = {}

    def pending(self) -> list[Tensor]:
        """What the host has not read yet."""
        return [n for update in self._unread for numbers in update.values() for n in numbers]

    def take(self, values: Iterable[float]) -> dict[str, float]:
        """Add what was ``pending``, now that it is read.

        Returns:
            The norms that are not finite, by name.
        """
        read, unread, self._unread = iter(values), self._unread, []
        faults: dict[str, float] = {}
        for update in unread:
            self.count += 1
            for stage, numbers in update.items():
                weights, gradient, trained, moved = _padded([next(read) for _ in numbers])
                named = {"gradient": gradient, "weights": weights, "step": moved}
                faults |= {
                    f"the norm of the {name} of {stage}": norm
                    for name, norm in named.items()
                    if not isfinite(norm)
                }
                sums = self.sums.setdefault(stage, [0.0, 0.0, 0.0])
                sums[0] += gradient
                sums[1] += weights
                sums[2] += moved / trained if trained else 0.0
        return faults

    def means(self) -> Mapping[str, StageSignals]:
        """Stage or head → means over the measured updates."""
        return {
            stage: StageSignals(*(figure / self.count for figure in sums))
            for stage, sums in self.sums.items()
        }

    def _norm(self, tensors: list[Tensor]) -> Tensor:
        """The L2 norm of all tensors together, on the device of what trains."""
        if not tensors:
            return torch.zeros((), device=next(iter(self._before.values())).device)
        norms = torch._foreach_norm(tensors)
        whole: Tensor = torch.stack([norm.float() for norm in norms]).norm()
        return whole


def _padded(numbers: list[float]) -> list[float]:
    """The four numbers of a stage; those that a frozen stage has not are 0."""
    return [*numbers, 0.0, 0.0, 0.0][:4]


def parts(classifier: Classifier) -> dict[str, tuple[str, ...]]:
    """Stage, or ``head`` → the names of its parameters."""
    return {**classifier.stages, "head": classifier.head_names}
