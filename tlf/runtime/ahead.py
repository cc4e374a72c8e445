"""Begin what comes next before what has been begun is used."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

Begun = TypeVar("Begun")


def ahead(items: Iterable[Begun], by: int = 1) -> Iterator[Begun]:
    """The same items, each once the ``by`` items behind it were taken, too: where taking an item
    begins some work, that of ``by`` items goes on beside the use of the one before them.

    >>> begun = []
    >>> items = ahead((begun.append(n) or n for n in range(3)))
    >>> next(items), begun
    (0, [0, 1])
    """
    waiting: deque[Begun] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > by:
            yield waiting.popleft()
    yield from waiting


def sent(tensor: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
    """A tensor on its way to a device. The host does not wait for CUDA, which keeps what it still
    has to copy. Others may not: MPS would read memory that is used for something else by then.
    """
    return tensor.to(device, non_blocking=device.type == "cuda")
