"""Begin a segment: freeze, modes, learning rates, parameter groups, optimizer, prepare.

A segment is a stretch of a phase in which the same parameters are frozen; most phases have one.
At its start the model is frozen anew and wrapped anew, because a wrapper that was made while a
parameter stood still never sends its gradients around.
"""

from collections.abc import Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import gather_object
from torch import nn

from tlf.cache.entry import Entry
from tlf.components import Optimizer
from tlf.errors import TrainingError
from tlf.freezing.find_partition import find_partition
from tlf.freezing.freeze import audit, digests, freeze
from tlf.freezing.partition import Partition, TrainablePart
from tlf.model import Classifier, normalisation_modules, parameter_count

_LIGHT = 2**23
"""Multiply-adds of a head and a batch up to which one thread is as fast as two: measured on an AMD
EPYC with linear heads and MLPs of 0.2 to 66 million, in float32 and bf16."""


@dataclass(frozen=True)
class Segment:
    """A model and its optimizer, ready to train while the same parameters are frozen."""

    classifier: Classifier
    model: nn.Module
    """The classifier as Accelerate wrapped it."""
    optimizer: AcceleratedOptimizer
    frozen: frozenset[str]
    rates: Mapping[str, float]
    """Learning parameter → learning rate before the scheduler."""
    before: Mapping[str, str]
    """Digests of all tensors at the start."""
    partition: Partition | None
    """Where the frozen stages end, if they run by themselves; ``model`` begins behind it."""
    threads: int
    """On how many threads of the CPU what trains computes."""
    seconds: list[float] = field(default_factory=list)
    """How long its first updates took, where it is compiled."""
    still: dict[str, float] = field(default_factory=dict)
    """Stage in which nothing trains → the norm of its weights, as far as anybody asked."""
    stored: dict[tuple[str, int], Entry | None] = field(default_factory=dict)
    """Split and view → what is stored of the frozen stages' output, as far as anybody asked."""


def parameter_groups(
    classifier: Classifier, rates: Mapping[str, float], optimizer: Optimizer
) -> list[dict[str, Any]]:
    """One group for each pair of learning rate and decaying-or-not, in the order of the model.

    ``base_lr`` stays what it is while the scheduler writes ``lr``.
    """
    spared = _spared_from_decay(classifier) if _spares(optimizer) else set()
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for name, parameter in classifier.named_parameters():
        if name in rates:
            key = (rates[name], name in spared)
            settings = {"weight_decay": 0.0} if name in spared else {}
            group = groups.setdefault(
                key, {"params": [], "names": [], "lr": key[0], "base_lr": key[0], **settings}
            )
            group["params"].append(parameter)
            group["names"].append(name)
    return list(groups.values())


def begin_segment(
    accelerator: Accelerator,
    classifier: Classifier,
    frozen: frozenset[str],
    rates: Mapping[str, float],
    optimizer: Optimizer,
    previous: Segment | None = None,
    before: Mapping[str, str] | None = None,
    image: tuple[int, int, int] | None = None,
    piece: int = 1,
    *,
    compiled: bool = False,
) -> Segment:
    """Freeze, and wrap the model and a new optimizer; carry over what the optimizer of the segment
    before it in this phase knows about the parameters that keep training.

    Parameters:
        accelerator: wraps them.
        classifier: the model.
        frozen: names of the parameters that stand still.
        rates: trainable parameter → learning rate.
        optimizer: builds the optimizer.
        previous: the segment before.
        before: the digests to compare with in the end, where they were taken already.
        image: (C, S, S) of what the model takes, where the frozen stages may run by themselves.
        piece: how many images a process trains on at once.
        compiled: whether the model is compiled, where it begins with images.
    """
    freeze(classifier, frozen)
    built = optimizer.build(parameter_groups(classifier, rates, optimizer))
    if previous is not None:
        _carry_over(previous.optimizer, built)
    before = before or digests(classifier)
    compare_processes(accelerator, classifier, before)
    partition = image and find_partition(classifier, frozen, image, accelerator.autocast, piece)
    partition = _agreed(accelerator, partition)
    # Accelerate and the compiler write into the module that they are given. This one has the
    # classifier's own modules and parameters, and goes when the segment ends.
    trainable = TrainablePart(classifier, partition) if partition else copy(classifier)
    if compiled and partition is None:
        trainable.compile()
    # The model is where it belongs. To move it, Accelerate would first look for distributed
    # tensors, which takes half a second of imports.
    model, prepared = accelerator.prepare(trainable, built, device_placement=[False, True])
    threads = (
        1 if partition and _is_light(classifier, partition, piece) else torch.get_num_threads()
    )
    return Segment(classifier, model, prepared, frozen, rates, before, partition, threads)


def end_segment(accelerator: Accelerator, segment: Segment) -> tuple[str, ...]:
    """Drop the wrapper, and prove that what was frozen stood still and that processes agree.

    Returns:
        Names of the parameters that should have trained and did not move.
    """
    accelerator.free_memory()  # or the Accelerator would keep the old wrapper beside the new one
    freeze(segment.classifier, segment.frozen)
    after = digests(segment.classifier)
    compare_processes(accelerator, segment.classifier, after)
    return audit(segment.classifier, segment.frozen, segment.before, after)


def compare_processes(
    accelerator: Accelerator, classifier: Classifier, marks: Mapping[str, str]
) -> None:
    """Make sure that every process holds the same parameters.

    Raises:
        TrainingError: they differ; names the first one that does.
    """
    if accelerator.num_processes == 1:
        return
    names = [name for name, _ in classifier.named_parameters()]
    everywhere: list[dict[str, str]] = gather_object([{name: marks[name] for name in names}])
    for name in names:
        if len({marks[name] for marks in everywhere}) > 1:
            raise TrainingError(
                f"{name} differs between processes: gradients were not sent around. Something "
                "changed requires_grad or the weights outside the freeze policy"
            )


def _agreed(accelerator: Accelerator, partition: Partition | None) -> Partition | None:
    """The place where all processes enter the network, if it is the same in all."""
    if accelerator.num_processes == 1:
        return partition
    everywhere: list[Partition | None] = gather_object([partition])
    return partition if all(other == partition for other in everywhere) else None


def _is_light(classifier: Classifier, partition: Partition, piece: int) -> bool:
    """Whether nothing is behind a cut but a head that is so little work for a batch that more
    threads gain nothing. They wait for each other at every step, so that one core which is busy
    with something else, such as another run, holds all of them up.
    """
    features = partition.whole and len(partition.layout.shape) == 1
    return features and piece * parameter_count(classifier, classifier.head_names) <= _LIGHT


def _carry_over(old: torch.optim.Optimizer, new: torch.optim.Optimizer) -> None:
    known = old.state
    for group in new.param_groups:
        shared = {k: v for k, v in old.param_groups[0].items() if k not in _OWN_SETTINGS}
        # Some optimizers count their steps in a tensor in the group: each group needs its own.
        group.update(deepcopy(shared))
        new.state.update({p: known[p] for p in group["params"] if p in known})


_OWN_SETTINGS = {"params", "names", "lr", "base_lr", "weight_decay"}


def _spares(optimizer: Optimizer) -> bool:
    return getattr(optimizer, "decay", "weights") == "weights"


def _spared_from_decay(classifier: Classifier) -> set[str]:
    """Norms and biases: everything with fewer than two dimensions, and what norm layers hold.

    Source: Goyal et al., 2017, arXiv:1706.02677, and He et al., 2018, arXiv:1812.01187.
    """
    flat = {name for name, p in classifier.named_parameters() if p.ndim < 2}
    norms = (
        f"{norm}.{key}"
        for norm, module in normalisation_modules(classifier).items()
        for key, _ in module.named_parameters()
    )
    return flat | set(norms)
