"""Parameters that the output of a network does not depend on, such as a norm behind the maps that a
pooling head takes. They cannot train, and several processes would wait for their gradients.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from tlf.errors import TrainingError
from tlf.model import Classifier
from tlf.runtime.seeds import seeded


@dataclass(frozen=True)
class Unused:
    """Trainable parameters that got no gradient from a probe."""

    always: frozenset[str] = frozenset()
    """In neither mode: neither in training mode nor in eval mode."""
    in_training: frozenset[str] = frozenset()
    """In training mode, though in eval mode: the network may leave them out at random."""


def find_unused(
    classifier: Classifier,
    image: tuple[int, int, int],
    computing: Callable[[], AbstractContextManager[object]],
) -> Unused:
    """Run two random images forward and backward. Nothing of the network changes.

    Parameters:
        classifier: the network, frozen and in its modes already.
        image: (C, S, S) of its input.
        computing: the context that it computes in: autocast, or none.

    Raises:
        TrainingError: the output depends on no trainable parameter.
    """
    device = next(classifier.parameters()).device
    images = torch.randn(2, *image, generator=torch.Generator().manual_seed(0)).to(device)
    images = images.contiguous(memory_format=torch.channels_last)
    in_training = _without_gradient(classifier, images, computing)
    if not in_training:
        return Unused()
    with _unchanged(classifier):
        classifier.eval()
        always = in_training & _without_gradient(classifier, images, computing)
    if all(name in always for name, p in classifier.named_parameters() if p.requires_grad):
        raise TrainingError(
            "the model's output must depend on a parameter that trains, got "
            f"{', '.join(sorted(always))}; freeze less"
        )
    return Unused(always, in_training - always)


def agreed_unused(every: Sequence[Unused]) -> Unused:
    """What the probes of all processes found, as one answer for all."""
    always = frozenset.intersection(*(unused.always for unused in every))
    some = frozenset.union(*(unused.always | unused.in_training for unused in every))
    return Unused(always, some - always)


def _without_gradient(
    classifier: Classifier,
    images: Tensor,
    computing: Callable[[], AbstractContextManager[object]],
) -> frozenset[str]:
    # Devices have random generators of their own; an update seeds them before it draws from them.
    with _unchanged(classifier), seeded(0, "unused"), torch.enable_grad():
        with computing():
            logits = classifier(images)
        if logits.requires_grad:
            torch.autograd.backward(logits.float().sum())
        return frozenset(
            name for name, p in classifier.named_parameters() if p.requires_grad and p.grad is None
        )


@contextmanager
def _unchanged(classifier: Classifier) -> Iterator[None]:
    """Put buffers, gradients and modes back at the end of a ``with`` block."""
    modules = [*classifier.modules()]
    modes = [module.training for module in modules]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in modules
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    gradients = [(parameter, parameter.grad) for parameter in classifier.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        for module, training in zip(modules, modes, strict=True):
            module.training = training
        for module, name, buffer, values in buffers:
            with torch.no_grad():
                module._buffers[name] = buffer.copy_(values)
        for parameter, gradient in gradients:
            parameter.grad = gradient
