"""Find where a network can be left and entered in its middle (see ``tlf.freezing.partition``).

A cut is trusted only when a probe has shown that the two parts together give the very bits of the
whole.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from tlf.freezing.partition import Layout, Partition, Reached, replaced
from tlf.model import Classifier

PROBES = 3
"""Images in the probe: a number that hardly any other dimension of a tensor has."""

_BLOCK = 16
"""Images that go through the frozen stages together on two cores of a CPU, ..."""

_SIDE = 224
"""... if they have this side, in pixels."""

_MOST = 64
"""Images that go through them together at most on a CPU."""


def find_partition(
    classifier: Classifier,
    frozen: frozenset[str],
    image: tuple[int, int, int],
    computing: Callable[[], AbstractContextManager[object]],
    piece: int = 1,
) -> Partition | None:
    """The last place up to which everything is frozen, and that a probe has proven.

    The classifier has to be frozen and in its modes already; both are as before afterwards.

    Parameters:
        classifier: the network.
        frozen: names of its parameters that stand still.
        image: (C, S, S) of what it takes.
        computing: the context that it computes in: autocast, or nothing.
        piece: how many images it trains on at once.
    """
    stages = [*classifier.stages]
    leading = 0
    while leading < len(stages) and frozen.issuperset(classifier.stages[stages[leading]]):
        leading += 1
    device = next(classifier.parameters()).device
    images = torch.randn(PROBES, *image, generator=torch.Generator().manual_seed(0)).to(device)
    images = images.contiguous(memory_format=torch.channels_last)
    for count in range(leading, 0, -1):
        with computing(), torch.random.fork_rng(devices=[]):
            partition, values = _traced(classifier, stages[:count], images)
            if partition is not None and _proven(classifier, partition, images, values):
                return replace(partition, batch=_batch(classifier, partition, images, piece))
    return None


@dataclass
class _Trace:
    """Which modules have been called and have come to their end."""

    before: frozenset[str]
    """Names of the parameters of the stages to leave behind."""
    open: list[list[tuple[str, object]]] = field(default_factory=lambda: [[]])
    """For each module that is being called, and the network itself: what it has called."""
    boundary: str = ""

    def enter(self, name: str, module: nn.Module, given: tuple[Any, ...]) -> None:
        own = {n for n, _ in module.named_parameters(prefix=name)}
        # A module without parameters that is in training mode may be random.
        random = not own and module.training and not any(True for _ in module.children())
        if random or (own and not own & self.before):
            self.boundary = name
            raise Reached(given[0] if given else torch.empty(0))
        self.open.append([])

    def leave(self, name: str, output: object) -> None:
        self.open.pop()
        self.open[-1].append((name, output))

    def skipped(self) -> list[tuple[str, object]]:
        return [call for calls in self.open for call in calls]


def _traced(
    classifier: Classifier, stages: Collection[str], images: Tensor
) -> tuple[Partition | None, Tensor]:
    """Call the network up to its first trainable module, and give what that is called with; None
    where it is no place to cut.
    """
    trace = _Trace(frozenset(name for stage in stages for name in classifier.stages[stage]))
    handles = [*_watched(classifier, trace)]
    try:
        with torch.enable_grad():
            classifier(images)
    except Reached as reached:
        values = reached.values
    else:
        return None, images
    finally:
        for handle in handles:
            handle.remove()
    outputs = [(name, output) for name, output in trace.skipped()]
    whole = trace.boundary.split(".")[0] == "head"
    # What needs a gradient depends on something that trains, and would not stay the same.
    if not _is_batch(values) or values.requires_grad:
        return None, values
    if not all(_is_batch(output) for _, output in outputs):
        return None, values
    skipped = tuple((name, o.dtype, tuple(o.shape[1:])) for name, o in outputs)  # type: ignore[attr-defined]
    partition = Partition(
        [*stages][-1], whole, trace.boundary, skipped, tuple(images.shape[1:]), _layout(values)
    )
    return partition, values


def _watched(classifier: Classifier, trace: _Trace) -> Iterator[Any]:
    for name, module in classifier.named_modules():
        if name:
            yield module.register_forward_pre_hook(
                lambda module, given, name=name: trace.enter(name, module, given)
            )
            yield module.register_forward_hook(
                lambda module, given, output, name=name: trace.leave(name, output)
            )


def _is_batch(values: object) -> bool:
    return isinstance(values, Tensor) and values.ndim > 0 and len(values) == PROBES


def _layout(values: Tensor) -> Layout:
    strides = values.stride()[1:]
    # Of dimensions of equal stride, which have length 1, the first stays first.
    order = sorted(range(len(strides)), key=lambda d: -strides[d])
    return Layout(values.dtype, tuple(values.shape[1:]), tuple(order))


def _proven(
    classifier: Classifier, partition: Partition, images: Tensor, trainable: Tensor
) -> bool:
    """Whether the parts give what the whole gives, and the first part always gives the same:
    ``trainable`` is what it gave while the rest was in training mode, and an image's neighbours
    in the batch must not matter.
    """
    moved = [PROBES - 1, PROBES - 1, *range(PROBES - 2)]
    others = images[moved].contiguous(memory_format=torch.channels_last)
    modes = {module: module.training for module in classifier.modules()}
    classifier.eval()
    try:
        with torch.no_grad():
            whole, resting = _passed(classifier, partition, images)
            parts = partition.behind(
                classifier, partition.layout.shaped(partition.layout.flat(resting))
            )
            among_others = partition.before(classifier, others)
    except (RuntimeError, TypeError, IndexError, ValueError, AssertionError):
        return False  # it cannot be entered here; an earlier place may do
    finally:
        for module, training in modes.items():
            module.training = training
    constant = torch.equal(resting, trainable) and _close(resting[moved], among_others)
    return constant and torch.equal(whole, parts)


def _passed(classifier: Classifier, partition: Partition, images: Tensor) -> tuple[Tensor, Tensor]:
    """What the whole gives, and what passes the cut on the way."""
    module, passed = classifier.get_submodule(partition.boundary), []
    forward = module.forward

    def passing(given: Tensor, *more: object, **named: object) -> object:
        passed.append(given)
        return forward(given, *more, **named)

    with replaced([(module, passing)]):
        logits: Tensor = classifier(images)
    return logits, passed[0]


def _close(one: Tensor, other: Tensor) -> bool:
    """Whether two outputs are of the same images. In a batch as small as the probe, the last bits
    may depend on an image's place.
    """
    difference = (one.float() - other.float()).abs().amax()
    return bool(difference <= 0.01 * one.float().abs().amax())


def _batch(classifier: Classifier, partition: Partition, images: Tensor, piece: int) -> int:
    """In batches of how many images the frozen stages run.

    On a CPU small ones are the fastest: what passes from layer to layer stays in its caches. Of
    small images, more fit. But the last bits of an image may depend on its place, by how the
    rows of a batch are dealt to threads and blocks of 8 (an EfficientNet's, with 12 images on 2
    threads and 32 on 3). A size is taken when a probe shows no such thing; in a batch of one there
    is one place. A GPU is given whole pieces.
    """
    if images.device.type != "cpu":
        return piece
    threads = torch.get_num_threads()
    smaller = max(1, round(_SIDE**2 / (partition.image[1] * partition.image[2])))
    fast = min(_MOST, _BLOCK * ((threads + 1) // 2) * smaller)
    sizes = dict.fromkeys((min(piece, fast), fast, _BLOCK * threads))
    return next((size for size in sizes if _places_alike(classifier, partition, images, size)), 1)


def _places_alike(classifier: Classifier, partition: Partition, images: Tensor, size: int) -> bool:
    """Whether an image gives the same bits at every place in a batch of ``size``. The probe's
    images are dealt over the batch, so that each has many places, and others beside it.
    """
    different = min(PROBES, (size + 1) // 2)
    dealt = [place % different for place in range(size)]
    whole = images[dealt].contiguous(memory_format=torch.channels_last)
    values = partition.before(classifier, whole)
    return torch.equal(values, values[dealt])
