"""A network that is left and entered in its middle: the frozen stages apart from what trains.

The frozen stages give the same output for the same image for as long as they are frozen. To
compute them once, the network has to be left after them and entered there again, whatever its code
looks like. It is left by stopping it where the first trainable module is called, and entered by
calling it with the modules before that point replaced by ones that cost nothing. What they give
instead is not a number, so that a network that looks at it again cannot go unnoticed.

Where that can be is found out and proven in ``tlf.freezing.find_partition``.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan
from typing import Any

import torch
from torch import Tensor, nn

from tlf.model import Classifier


@dataclass(frozen=True)
class Layout:
    """How the output of the frozen stages lies in memory, one image after the other."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    """Of one image's, without B."""
    order: tuple[int, ...]
    """Its dimensions from the slowest to the fastest, as the network gave it."""

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
        """Bytes (B, row) → (B, …), as the network gave it."""
        lengths = [self.shape[d] for d in self.order]
        values = rows.view(self.dtype).reshape(len(rows), *lengths)
        return values.permute(0, *(1 + self.order.index(d) for d in range(len(self.order))))


@dataclass(frozen=True)
class Partition:
    """A place at which a network is left and entered."""

    stage: str
    """The last frozen stage before it."""
    whole: bool
    """Whether the whole backbone is before it, and nothing but the head behind."""
    boundary: str
    """The module that is called first behind it."""
    skipped: tuple[tuple[str, torch.dtype, tuple[int, ...]], ...]
    """The outermost modules before it in the order of their calls, and what each gives: dtype and
    shape without B."""
    image: tuple[int, ...]
    """(C, S, S) of what the network takes."""
    layout: Layout
    batch: int = 1
    """In batches of how many images what is before it is computed."""

    @property
    def name(self) -> str:
        """What is computed before it, for a person."""
        return "features" if self.whole else f"output of {self.stage}"

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
        images = values.new_full((), nan, dtype=torch.float32)
        with replaced(swaps):
            logits: Tensor = classifier(images.expand(len(values), *self.image))
        return logits

    def _outputs(self, values: Tensor) -> dict[str, list[Tensor]]:
        outputs: dict[str, list[Tensor]] = {}
        for name, dtype, shape in self.skipped:
            nothing = values.new_full((), nan, dtype=dtype).expand(len(values), *shape)
            outputs.setdefault(name, []).append(nothing)
        return outputs


def start_of(partition: Partition | None) -> str:
    """What the trainable part of a network begins with, for a person."""
    return "images" if partition is None else partition.name


class TrainablePart(nn.Module):
    """What trains, as a module by itself: output of the frozen stages → logits (B, K)."""

    def __init__(self, classifier: Classifier, partition: Partition) -> None:
        super().__init__()
        self.classifier = classifier
        self.partition = partition

    def forward(self, values: Tensor) -> Tensor:
        """The output of the frozen stages → logits (B, K)."""
        return self.partition.behind(self.classifier, values)


class Reached(Exception):  # noqa: N818 - it is no error
    """The module at which a network is left was called with ``values``."""

    def __init__(self, values: Tensor) -> None:
        self.values = values


@contextmanager
def replaced(swaps: Iterable[tuple[nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    """Let modules do something else for a while."""
    before: list[tuple[nn.Module, Any]] = []
    try:
        for module, forward in swaps:
            before.append((module, vars(module).get("forward")))
            vars(module)["forward"] = forward
        yield
    finally:
        for module, forward in before:
            if forward is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = forward


def _leave(values: Tensor, *_: object, **__: object) -> None:
    raise Reached(values)


def _entering(forward: Callable[..., Any], values: Tensor) -> Callable[..., Any]:
    """The first call is given the stored values; others, of a module used twice, are as ever."""
    waiting = [values]

    def entering(given: Tensor, *more: object, **named: object) -> object:
        return forward(waiting.pop() if waiting else given, *more, **named)

    return entering


def _skipping(forward: Callable[..., Any], outputs: list[Tensor]) -> Callable[..., Any]:
    """The calls before the cut give nothing; others, of a module used again, are as ever."""

    def skipping(*given: object, **named: object) -> object:
        return outputs.pop(0) if outputs else forward(*given, **named)

    return skipping
