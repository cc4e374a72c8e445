"""Find where a network can be left and entered (see ``tlf.freezing.partition``).

A partition is used only if a probe proves that the two parts give the same bits as the whole.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from tlf.freezing.partition import Layout, Partition, Reached, replaced
from tlf.model import Classifier
from tlf.runtime.memory import untrained_batch

PROBES = 3
"""Images in the probe. Few other dimensions of tensors have this size."""

_BLOCK = 16
"""Images in a batch of the frozen stages, on two cores of a CPU, for images of side ``_SIDE``."""

_SIDE = 224
"""Side of an image in pixels."""

_MOST = 64
"""The largest batch of the frozen stages on a CPU."""

_ROWS = 8
"""Images in a block, of which each thread gets as many where all places are alike."""

_MOVES = 8
"""How often images move where places may not be alike."""


def find_partition(
    classifier: Classifier,
    frozen: frozenset[str],
    image: tuple[int, int, int],
    computing: Callable[[], AbstractContextManager[object]],
    piece: int = 1,
) -> Partition | None:
    """The last partition before which all parameters are frozen and which a probe has proven.

    The classifier must be frozen and in its modes already. Neither is changed.

    Parameters:
        classifier: the network.
        frozen: names of its frozen parameters.
        image: (C, S, S) of its input.
        computing: the context that it computes in: autocast, or none.
        piece: the number of images in a training batch of this process.
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
    """The calls of modules until the first one behind the partition."""

    # A module that has returned is replaced as a whole when the network is entered. One that is
    # still running runs again, with the modules that it has called so far replaced.
    before: frozenset[str]
    """Names of the parameters of the stages before the partition."""
    running: list[list[tuple[str, object]]] = field(default_factory=lambda: [[]])
    """For the network and each module that is running: the calls in it that have returned."""
    boundary: str = ""

    def enter(self, name: str, module: nn.Module, given: tuple[Any, ...]) -> None:
        parameters = {n for n, _ in module.named_parameters(prefix=name)}
        # A module without parameters in training mode may be random, as dropout is.
        random = not parameters and module.training and not any(True for _ in module.children())
        if random or (parameters and not parameters & self.before):
            self.boundary = name
            raise Reached(given[0] if given else torch.empty(0))
        self.running.append([])

    def leave(self, name: str, output: object) -> None:
        self.running.pop()
        self.running[-1].append((name, output))

    def skipped(self) -> list[tuple[str, object]]:
        return [call for calls in self.running for call in calls]


def _traced(
    classifier: Classifier, stages: Collection[str], images: Tensor
) -> tuple[Partition | None, Tensor]:
    """Run the network up to the first module behind ``stages``. Return the partition there, or None
    if it is not possible, and the input of that module.
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
    outputs = trace.skipped()
    whole = trace.boundary.split(".")[0] == "head"
    # Values that need a gradient depend on a parameter that trains: they will change.
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
    # Dimensions of equal stride have length 1; they keep their order.
    order = sorted(range(len(strides)), key=lambda d: -strides[d])
    return Layout(values.dtype, tuple(values.shape[1:]), tuple(order))


def _proven(classifier: Classifier, partition: Partition, images: Tensor, traced: Tensor) -> bool:
    """Whether the parts give the bits of the whole, and the output of the first part is constant:
    it equals ``traced``, its output while the rest was in training mode, and does not depend on
    the other images in the batch.
    """
    order = [PROBES - 1, PROBES - 1, *range(PROBES - 2)]
    reordered = images[order].contiguous(memory_format=torch.channels_last)
    modes = {module: module.training for module in classifier.modules()}
    classifier.eval()
    try:
        with torch.no_grad():
            whole, values = _passed(classifier, partition, images)
            parts = partition.behind(
                classifier, partition.layout.shaped(partition.layout.flat(values))
            )
            values_reordered = partition.before(classifier, reordered)
    except (RuntimeError, TypeError, IndexError, ValueError, AssertionError):
        return False  # it cannot be entered here; an earlier place may work
    finally:
        for module, training in modes.items():
            module.training = training
    constant = torch.equal(values, traced) and _close(values[order], values_reordered)
    return constant and torch.equal(whole, parts)


def _passed(classifier: Classifier, partition: Partition, images: Tensor) -> tuple[Tensor, Tensor]:
    """The output of the whole network, and the input of the boundary module."""
    module, passed = classifier.get_submodule(partition.boundary), []
    forward = module.forward

    def passing(given: Tensor, *more: object, **named: object) -> object:
        passed.append(given)
        return forward(given, *more, **named)

    with replaced([(module, passing)]):
        logits: Tensor = classifier(images)
    return logits, passed[0]


def _close(one: Tensor, other: Tensor) -> bool:
    """Whether two outputs are those of the same images. The last bits may differ: in a batch as
    small as the probe, they may depend on an image's place.
    """
    difference = (one.float() - other.float()).abs().amax()
    return bool(difference <= 0.01 * one.float().abs().amax())


def _batch(classifier: Classifier, partition: Partition, images: Tensor, piece: int) -> int:
    """The number of images in a batch of the frozen stages.

    On a CPU, small batches are the fastest: the outputs of layers stay in its caches. If images are
    small, a batch may have more of them. But the last bits of an output may depend on the image's
    place in the batch, since rows are distributed over threads and blocks (EfficientNet: 12 images
    on 2 threads, 32 on 3). A size is used only if a probe shows no difference; a batch of one has
    only one place. A GPU gets larger ones than it trains on (see ``untrained_batch``).
    """
    if images.device.type != "cpu":
        return untrained_batch(piece, *partition.image[1:])
    threads = torch.get_num_threads()
    smaller = max(1, round(_SIDE**2 / (partition.image[1] * partition.image[2])))
    fast = min(_MOST, _BLOCK * ((threads + 1) // 2) * smaller)
    sizes = dict.fromkeys((min(piece, fast), fast, _BLOCK * threads))
    return next((size for size in sizes if _same_bits(classifier, partition, images, size)), 1)


def _same_bits(classifier: Classifier, partition: Partition, images: Tensor, size: int) -> bool:
    """Whether an image gives the same bits at every place in a batch of ``size``. The batch repeats
    the images of the probe, so that each of them has many places and different neighbours.
    """
    different = min(PROBES, (size + 1) // 2)
    numbers = [place % different for place in range(size)]
    batch = images[numbers].contiguous(memory_format=torch.channels_last)
    values = partition.before(classifier, batch)
    if not torch.equal(values, values[numbers]):
        return False
    return size % (_ROWS * torch.get_num_threads()) == 0 or _moved(classifier, partition, size)


def _moved(classifier: Classifier, partition: Partition, size: int) -> bool:
    """Whether images keep their bits as they move. Where threads have different numbers of images,
    places differ at the end of each thread's share, and not for every image (EfficientNet-B0, 32
    images of 64 px on 3 threads of an AMD EPYC with AVX2: 3 places, and a third of the images).
    """
    images = torch.randn(size, *partition.image, generator=torch.Generator().manual_seed(1))
    values = partition.before(classifier, images.contiguous(memory_format=torch.channels_last))
    for places in range(1, min(size, _MOVES + 1)):
        moved = images.roll(places, 0).contiguous(memory_format=torch.channels_last)
        if not torch.equal(partition.before(classifier, moved), values.roll(places, 0)):
            return False
    return True
