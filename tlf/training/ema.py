"""An exponential moving average of the weights that train."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from tlf.model import Classifier


class Ema:
    """``average = decay × average + (1 - decay) × weight`` after every update.

    It begins with the weights that the phase, or a stage that thaws, begins with. BatchNorm
    statistics are the model's own.

    Source: Polyak & Juditsky, 1992, doi:10.1137/0330046; as in timm's ``ModelEmaV3``.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.tensors: dict[str, Tensor] = {}
        """Parameter → its average; parameters that have not trained in this phase are not here."""
        self.is_inside = False
        """Whether the model holds the average now, and ``tensors`` what it has trained."""

    def follow(self, classifier: Classifier, trainable: Collection[str]) -> None:
        """Begin to average parameters that were not averaged before."""
        for name, parameter in classifier.named_parameters():
            if name in trainable and name not in self.tensors:
                self.tensors[name] = parameter.detach().clone()

    def all_train(self, trainable: Collection[str]) -> bool:
        """Whether all that is averaged trains. The average of what was frozen again goes on moving
        towards it, so that the frozen stages give something else after every epoch.
        """
        return all(name in trainable for name in self.tensors)

    @torch.no_grad()
    def update(self, classifier: Classifier) -> None:
        """Take in the weights after an update."""
        parameters = dict(classifier.named_parameters())
        for name, average in self.tensors.items():
            average.lerp_(parameters[name], 1 - self.decay)

    @contextmanager
    def inside(self, classifier: Classifier) -> Iterator[None]:
        """Put the average into the model; take it out again in the end."""
        self._exchange(classifier)
        try:
            yield
        finally:
            self._exchange(classifier)

    @torch.no_grad()
    def _exchange(self, classifier: Classifier) -> None:
        self.is_inside = not self.is_inside
        parameters = dict(classifier.named_parameters())
        for name, average in self.tensors.items():
            own = parameters[name].detach().clone()
            parameters[name].copy_(average)
            average.copy_(own)
