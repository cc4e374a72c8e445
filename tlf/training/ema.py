"""An exponential moving average (EMA) of the trainable parameters."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from tlf.model import Classifier


class Ema:
    """``average = decay × average + (1 - decay) × weight`` after every update.

    It starts from the weights at the start of the phase; for a stage that thaws later, from the
    weights at that moment. BatchNorm statistics are not averaged.

    The decay warms up. With a fixed one, the average of a short phase would still be little but the
    weights at its start.

    Source: Polyak & Juditsky, 1992, doi:10.1137/0330046; as in timm's ``ModelEmaV3``.
    """

    def __init__(self, decay: float, *, warmup: bool) -> None:
        self.decay, self.warmup = decay, warmup
        self.updates = 0
        """The updates of this phase that were added."""
        self.tensors: dict[str, Tensor] = {}
        """Parameter → its average, for the parameters that have trained in this phase."""
        self.is_inside = False
        """Whether they are swapped: the model holds the averages, ``tensors`` the weights."""

    def follow(self, classifier: Classifier, trainable: Collection[str]) -> None:
        """Start to average the parameters that are not averaged yet."""
        for name, parameter in classifier.named_parameters():
            if name in trainable and name not in self.tensors:
                self.tensors[name] = parameter.detach().clone()

    def all_train(self, trainable: Collection[str]) -> bool:
        """Whether every averaged parameter trains now. The average of a parameter that was frozen
        again keeps moving towards it, so the averaged frozen stages change after every epoch, and
        neither their output nor their casts to half precision can be kept.
        """
        return all(name in trainable for name in self.tensors)

    @torch.no_grad()
    def update(self, classifier: Classifier) -> None:
        """Add the weights after an update to the average."""
        self.updates += 1
        weights: list[Tensor] = [classifier.get_parameter(name) for name in self.tensors]
        torch._foreach_lerp_([*self.tensors.values()], weights, 1 - self._decay())

    def _decay(self) -> float:
        """The decay of this update: 0 at the first, then growing until it is ``decay``."""
        warm = 1 - self.updates ** (-2 / 3)
        return min(warm, self.decay) if self.warmup else self.decay

    @contextmanager
    def inside(self, classifier: Classifier) -> Iterator[None]:
        """Swap the averages into the model, and the weights back in at the end."""
        self._swap(classifier)
        try:
            yield
        finally:
            self._swap(classifier)

    @torch.no_grad()
    def _swap(self, classifier: Classifier) -> None:
        self.is_inside = not self.is_inside
        parameters = dict(classifier.named_parameters())
        for name, average in self.tensors.items():
            weights = parameters[name].detach().clone()
            parameters[name].copy_(average)
            average.copy_(weights)
