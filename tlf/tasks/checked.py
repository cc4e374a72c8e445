"""What a head and a loss must return, whatever the task; and what a set of classes is."""

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def check_logits(logits: object, images: int, num_classes: int) -> None:
    """Check that a head returns one logit for each image and class.

    Raises:
        ValueError: it returns something else.
    """
    _check_floats("logits", logits, (images, num_classes), "one for each image and class")


def check_loss(loss: "Callable[[Tensor, Tensor], Tensor]", labels: "Tensor", classes: int) -> None:
    """Check that a loss returns one finite number for each image, with a gradient.

    Parameters:
        loss: what a component has built.
        labels: of some images (N, …), as the task has them.
        classes: K.

    Raises:
        ValueError: it returns something else.
    """
    import torch

    if not callable(loss):
        raise ValueError(f"build must return a function, got {type(loss).__name__}")
    images = len(labels)
    logits = torch.linspace(-1, 1, images * classes).reshape(images, -1).requires_grad_()
    losses = loss(logits, labels)
    advice = "" if getattr(losses, "shape", None) != () else "; leave out the mean over the batch"
    _check_floats("losses", losses, (images,), "one number for each image", advice)
    if not losses.requires_grad:
        raise ValueError("losses must have a gradient, got none; leave out detach and numpy")


def is_label_set(label: object, num_classes: int) -> bool:
    """Whether a label is the ascending indices of an image's classes.

    >>> is_label_set((0, 2), 3), is_label_set((2, 0), 3), is_label_set((), 3)
    (True, False, True)
    """
    if not isinstance(label, tuple) or not all(type(k) is int for k in label):
        return False
    within = not label or (label[0] >= 0 and label[-1] < num_classes)
    return within and all(one < other for one, other in pairwise(label))


def _check_floats(
    what: str, value: object, shape: tuple[int, ...], meaning: str, advice: str = ""
) -> None:
    """Check a tensor that a component returned.

    Raises:
        ValueError: it is no tensor, or has another type or shape, or is not finite.
    """
    import torch

    if not isinstance(value, torch.Tensor):
        raise ValueError(f"{what} must be a torch.Tensor, got {type(value).__name__}")
    if tuple(value.shape) != shape:
        raise ValueError(f"{what} must be {shape}, {meaning}, got {tuple(value.shape)}{advice}")
    if not value.is_floating_point():
        raise ValueError(f"{what} must have a floating-point type, got {value.dtype}")
    if not value.isfinite().all():
        raise ValueError(f"{what} must be finite, got NaN or infinity")
