"""A network in two parts: the frozen stages, and the part that trains.

As long as stages are frozen, their output for an image stays the same. tlf computes it once, stores
it, and starts the network from there. This works for any code: the frozen part runs until the first
trainable module is called. To start from there, the whole network is called, but the modules before
that point do no work and return NaN. If the network used such an output again, the result would be
NaN, too.

``tlf.freezing.find_partition`` finds such a place and proves it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from math import nan
from typing import Any

import torch
from torch import Tensor, nn

from tlf.model import Classifier
from tlf.runtime.strict_json import dumps


@dataclass(frozen=True)
class Layout:
    """How the output of the frozen stages is laid out in memory, image by image."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    """Shape for one image, without B."""
    order: tuple[int, ...]
    """Its dimensions from the largest stride to the smallest, as the network returned them."""

    @property
    def row(self) -> int:
        """Bytes per image."""
        count = 1
        for length in self.shape:
            count *= length
        return count * self.dtype.itemsize

    def flat(self, values: Tensor) -> Tensor:
        """(B, …) → bytes (B, row)."""
        ordered = values.permute(0, *(1 + d for d in self.order)).contiguous()
        return ordered.reshape(len(values), -1).view(torch.uint8)

    def shaped(self, rows: Tensor) -> Tensor:
        """Bytes (B, row) → (B, …), with the strides that the network returned."""
        lengths = [self.shape[d] for d in self.order]
        values = rows.view(self.dtype).reshape(len(rows), *lengths)
        return values.permute(0, *(1 + self.order.index(d) for d in range(len(self.order))))


@dataclass(frozen=True)
class Partition:
    """The place where a network is left and entered."""

    stage: str
    """The last frozen stage before it."""
    whole: bool
    """Whether the whole backbone is before it, and only the head is behind it."""
    boundary: str
    """The first module that is called behind it."""
    skipped: tuple[tuple[str, torch.dtype, tuple[int, ...]], ...]
    """The outermost modules before it, in the order of their calls: name, dtype and shape (without
    B) of the output."""
    image: tuple[int, ...]
    """(C, S, S) of the network's input."""
    layout: Layout
    batch: int = 1
    """The number of images in a batch of the frozen part."""

    @property
    def name(self) -> str:
        """The output of the frozen part, for a person."""
        return "features" if self.whole else f"output of {self.stage}"

    def as_json(self) -> dict[str, Any]:
        """Itself as JSON values, which ``partition_of`` reads."""
        found: dict[str, Any] = json.loads(dumps(asdict(self), default=str))
        return found

    def before(self, classifier: Classifier, images: Tensor) -> Tensor:
        """Images (B, C, H, W) → the output of the frozen stages, without a graph."""
        module = classifier.get_submodule(self.boundary)
        with torch.no_grad(), replaced([(module, _leave)]):
            try:
                classifier(images)
            except Reached as reached:
                return self.layout.shaped(self.layout.flat(reached.values))
        raise RuntimeError(f"{self.boundary} was not called")

    def behind(self, classifier: Classifier, values: Tensor) -> Tensor:
        """The output of the frozen stages → logits (B, K)."""
        module = classifier.get_submodule(self.boundary)
        swaps = [(module, _entering(module.forward, values))]
        for name, outputs in self._outputs(values).items():
            skipped = classifier.get_submodule(name)
            swaps.append((skipped, _skipping(skipped.forward, outputs)))
        images = _nan(torch.float32, values.device)
        with replaced(swaps):
            logits: Tensor = classifier(images.expand(len(values), *self.image))
        return logits

    def _outputs(self, values: Tensor) -> dict[str, list[Tensor]]:
        outputs: dict[str, list[Tensor]] = {}
        for name, dtype, shape in self.skipped:
            output = _nan(dtype, values.device).expand(len(values), *shape)
            outputs.setdefault(name, []).append(output)
        return outputs


@cache
def _nan(dtype: torch.dtype, device: torch.device) -> Tensor:
    """What a module returns that does no work: made once, not in every update."""
    with torch.inference_mode(mode=False):
        return torch.full((), nan, dtype=dtype, device=device)


def partition_of(content: Mapping[str, Any]) -> Partition:
    """A partition from its JSON values.

    >>> layout = Layout(torch.float32, (512,), (0,))
    >>> one = Partition("layer4", True, "head", (("backbone.fc", torch.float32, (512,)),),
    ...                 (3, 8, 8), layout, 16)  # fmt: skip
    >>> partition_of(one.as_json()) == one
    True
    """
    layout = content["layout"]
    skipped = ((name, _dtype(dtype), tuple(shape)) for name, dtype, shape in content["skipped"])
    return Partition(
        content["stage"],
        content["whole"],
        content["boundary"],
        tuple(skipped),
        tuple(content["image"]),
        Layout(_dtype(layout["dtype"]), tuple(layout["shape"]), tuple(layout["order"])),
        content["batch"],
    )


def _dtype(name: str) -> torch.dtype:
    """The type of numbers with a name such as ``torch.float32``."""
    found: torch.dtype = getattr(torch, name.removeprefix("torch."))
    return found


def start_of(partition: Partition | None) -> str:
    """The input of the trainable part of a network, for a person."""
    return "images" if partition is None else partition.name


class TrainablePart(nn.Module):
    """The trainable part as a module: output of the frozen stages → logits (B, K)."""

    def __init__(self, classifier: Classifier, partition: Partition) -> None:
        super().__init__()
        self.classifier = classifier
        self.partition = partition

    def forward(self, values: Tensor) -> Tensor:
        """The output of the frozen stages → logits (B, K)."""
        return self.partition.behind(self.classifier, values)


class Reached(Exception):  # noqa: N818 - it is no error
    """The boundary module was called with ``values``."""

    def __init__(self, values: Tensor) -> None:
        self.values = values


@contextmanager
def replaced(swaps: Iterable[tuple[nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    """Replace the ``forward`` of modules inside a ``with`` block."""
    originals: list[tuple[nn.Module, Any]] = []
    try:
        for module, forward in swaps:
            originals.append((module, vars(module).get("forward")))
            vars(module)["forward"] = forward
        yield
    finally:
        for module, forward in originals:
            if forward is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = forward


def _leave(values: Tensor, *_: object, **__: object) -> None:
    raise Reached(values)


def _entering(forward: Callable[..., Any], values: Tensor) -> Callable[..., Any]:
    """A forward whose first call gets the stored values; later calls, of a shared module, get
    their own input.
    """
    stored = [values]

    def entering(given: Tensor, *more: object, **named: object) -> object:
        return forward(stored.pop() if stored else given, *more, **named)

    return entering


def _skipping(forward: Callable[..., Any], outputs: list[Tensor]) -> Callable[..., Any]:
    """A forward that returns ``outputs`` for the calls before the partition; later calls, of a
    shared module, compute.
    """

    def skipping(*given: object, **named: object) -> object:
        return outputs.pop(0) if outputs else forward(*given, **named)

    return skipping
