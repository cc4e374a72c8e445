"""Segments: the stretches of a phase in which the same parameters are frozen.

Most phases have one segment. A phase whose policy thaws or freezes parameters as it goes has
several. A segment has its own optimizer, and its own wrapper of the model: the wrapper of
distributed training only averages the gradients of parameters that were trainable when it was
made. So at the start of every segment the model is frozen and wrapped again.

The weights stay in the model. From the segment before it in the same phase, a segment takes over
the optimizer's state (momentum, for example) of all parameters that keep training, and the settings
that an optimizer may keep in its groups, such as a count of its steps. A newly thawed parameter
starts without state. The next phase starts with a new optimizer.
"""

import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import dataclass, field

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn

from tlf.cache.rows import Rows
from tlf.components import Optimizer
from tlf.errors import TrainingError
from tlf.events import Audit
from tlf.freezing.cast import CastWeights, cast_weights
from tlf.freezing.find_unused import Unused
from tlf.freezing.freeze import audit, changing_tensors, digests, freeze, frozen_tensors
from tlf.freezing.partition import Partition, TrainablePart
from tlf.model import Classifier, parameter_count
from tlf.recipe.schema import Phase
from tlf.runtime.processes import gathered
from tlf.training.job import Job, largest_piece
from tlf.training.phases import apart, learning_rates, probed
from tlf.training.segments.compiled import Compiled
from tlf.training.segments.groups import build_optimizer, carry_over, parameter_groups
from tlf.training.segments.norms import TrainedNorms, trained_norms
from tlf.training.segments.probes import ProbeAnswers, agreed_partition, unused_parameters

_LIGHT = 2**23
"""Multiply-adds of a head for a batch, up to which one thread is as fast as two. Measured on an AMD
EPYC with linear heads and MLPs of 0.2 to 66 million, in float32 and bf16."""


@dataclass(frozen=True)
class SegmentSetup:
    """What a segment is made of, besides the model."""

    frozen: frozenset[str]
    """Names of the frozen parameters."""
    rates: Mapping[str, float]
    """Trainable parameter → learning rate, before the scheduler."""
    optimizer: Optimizer
    image: tuple[int, int, int] | None = None
    """(C, S, S) of the images, where the frozen stages may run apart from the rest."""
    probed: tuple[int, int, int] | None = None
    """(C, S, S) of the images, where the loss depends on the model's output alone."""
    synchronised: bool = True
    """Whether BatchNorm takes its statistics from all processes, where there are several."""
    piece: int = 1
    """The largest number of images that a process trains on at once."""
    compiled: Compiled | None = None
    """The compiled forward pass, which is used where the model trains from images and not from a
    partition."""
    probe_answers: ProbeAnswers = field(default_factory=ProbeAnswers)
    """What probes have found of the network so far."""


def segment_setup(job: Job, phase: Phase, frozen: frozenset[str]) -> SegmentSetup:
    """The setup of a segment of a phase, while these parameters are frozen.

    Raises:
        ValueError: the phase has no learning rate for a trainable parameter.
    """
    return SegmentSetup(
        frozen=frozen,
        rates=learning_rates(job.classifier, phase, frozen),
        optimizer=phase.optimizer or job.recipe.optimizer,
        image=apart(job.plan, phase, job.preprocessing),
        probed=probed(job.plan, job.preprocessing),
        synchronised=job.recipe.batchnorm == "sync",
        piece=largest_piece(job),
        compiled=job.compiled if job.recipe.compile else None,
        probe_answers=job.probe_answers,
    )


@dataclass(frozen=True)
class Segment:
    """A wrapped model and its optimizer, ready to train while the same parameters are frozen."""

    classifier: Classifier
    model: nn.Module
    """The classifier as Accelerate wrapped it."""
    optimizer: AcceleratedOptimizer
    frozen: frozenset[str]
    """Names of the frozen parameters, the unused ones included."""
    unused: frozenset[str]
    """Those that no freeze policy names, but that the output does not depend on."""
    rates: Mapping[str, float]
    """Trainable parameter → learning rate, before the scheduler."""
    norms: TrainedNorms
    before: Mapping[str, str]
    """Tensor → its digest at the start of the segment."""
    partition: Partition | None
    """Where the frozen stages end, if they run apart from the rest. ``model`` begins there."""
    threads: int
    """The number of CPU threads that the trainable part computes on."""
    modes: Mapping[nn.Module, bool]
    """Module → whether it is in training mode while the segment trains."""
    compiling: list[float] = field(default_factory=list)
    """The time of the updates that compiled, until there is another one to compare with."""
    changing: Mapping[str, Tensor] = field(default_factory=dict)
    """What its updates change, by name: weights, and statistics such as BatchNorm's."""
    frozen_norms: dict[str, Tensor] = field(default_factory=dict)
    """Frozen stage → the norm of its weights. Filled when it is first needed."""
    stored: dict[tuple[str, int | None], Rows | None] = field(default_factory=dict)
    """Split and view, None for images as they are → the stored output of the frozen stages. Filled
    when it is first needed."""
    weights: CastWeights | None = None
    """The weights of the frozen stages in half precision, where it is computed in."""

    def cast_weights(self) -> AbstractContextManager[None]:
        """Compute the frozen stages with their weights in the precision of the products."""
        return self.weights.used() if self.weights else nullcontext()

    @property
    def named(self) -> frozenset[str]:
        """The parameters that the freeze policies named."""
        return self.frozen - self.unused


def begin_segment(
    accelerator: Accelerator,
    classifier: Classifier,
    setup: SegmentSetup,
    previous: Segment | None = None,
    before: Mapping[str, str] | None = None,
) -> Segment:
    """Freeze the model, build the optimizer, and wrap both.

    Parameters:
        accelerator: wraps them.
        classifier: the model.
        setup: what the segment is made of.
        previous: the segment before it in the same phase, whose optimizer state is carried over.
        before: digests of all tensors, if they are known; frozen tensors are compared with them at
            the end.

    Raises:
        ValueError: the optimizer builds something else.
    """
    optimizer, piece = setup.optimizer, setup.piece
    freeze(classifier, setup.frozen)
    before = before or digests(classifier)
    unused = unused_parameters(accelerator, classifier, setup.probed, before, setup.probe_answers)
    frozen = setup.frozen | unused.always
    freeze(classifier, frozen)
    modes = {module: module.training for module in classifier.modules()}
    rates = {name: rate for name, rate in setup.rates.items() if name not in frozen}
    built = build_optimizer(optimizer, parameter_groups(classifier, rates, optimizer))
    if previous is not None:
        carry_over(previous.optimizer, built)
    check_same_start(classifier, before)
    partition = agreed_partition(
        accelerator, classifier, setup.image, piece, before, setup.probe_answers
    )
    trainable = _trainable(classifier, partition, setup.compiled)
    model, prepared = _wrapped(accelerator, trainable, built, setup, unused)
    several = accelerator.num_processes > 1
    norms = trained_norms(classifier, synchronised=several and setup.synchronised)
    threads = (
        1 if partition and _is_light(classifier, partition, piece) else torch.get_num_threads()
    )
    precision = accelerator.mixed_precision
    weights = cast_weights(classifier, frozen, partition, precision) if partition else None
    return Segment(
        classifier, model, prepared, frozen, unused.always, rates, norms, before, partition,
        threads, modes=modes, weights=weights, changing=_changing(classifier, frozen),
    )  # fmt: skip


def _trainable(
    classifier: Classifier, partition: Partition | None, compiled: Compiled | None
) -> nn.Module:
    if partition is not None:
        return TrainablePart(classifier, partition)
    # Accelerate writes into the module that it is given. So it gets a shallow copy: it shares the
    # classifier's modules and parameters, and is dropped with the segment.
    trainable = copy(classifier)
    if compiled is not None:
        vars(trainable)["forward"] = compiled
    return trainable


def _changing(classifier: Classifier, frozen: frozenset[str]) -> dict[str, Tensor]:
    """Weights and statistics that training changes; counters are neither."""
    names = changing_tensors(classifier, frozen)
    tensors = dict([*classifier.named_parameters(), *classifier.named_buffers()])
    return {n: t for n, t in tensors.items() if n in names and t.is_floating_point() and t.numel()}


def end_segment(accelerator: Accelerator, segment: Segment) -> Audit:
    """Drop the wrapper. Check that no frozen tensor changed, and that all processes hold the same
    parameters.
    """
    accelerator.free_memory()  # otherwise Accelerate keeps the old wrapper beside the new one
    freeze(segment.classifier, segment.frozen)
    after = digests(segment.classifier)
    check_same_end(segment.classifier, after)
    unmoved = audit(segment.classifier, segment.frozen, segment.before, after)
    frozen = frozen_tensors(segment.classifier, segment.frozen).values()
    return Audit(sum(tensor.numel() for tensor in frozen), len(segment.rates), unmoved)


def check_same_start(classifier: Classifier, own: Mapping[str, str]) -> None:
    """Check that every process starts with the same parameters. ``own``: this process's digests.

    Raises:
        TrainingError: names the first parameter that differs.
    """
    if name := _different(classifier, own):
        raise TrainingError(
            f"{name} must be the same in all processes before it is trained, and differs: a plugin "
            "drew or changed it in its own way in each; draw weights from torch's generator only"
        )


def check_same_end(classifier: Classifier, own: Mapping[str, str]) -> None:
    """Check that what every process has trained is the same. ``own``: this process's digests.

    Raises:
        TrainingError: names the first parameter that differs.
    """
    if name := _different(classifier, own):
        raise TrainingError(
            f"{name} must be trained alike in all processes, and differs although it was the same "
            "before: its gradients were not averaged, or a plugin changed it in its own way in "
            "each. Only the freeze policy may change requires_grad, and only the optimizer may "
            "change weights"
        )


def _different(classifier: Classifier, own: Mapping[str, str]) -> str | None:
    """The first parameter that is not the same in all processes."""
    names = [name for name, _ in classifier.named_parameters()]
    every = gathered([own[name] for name in names])
    return next((n for n, *digests in zip(names, *every, strict=True) if len({*digests}) > 1), None)


def _wrapped(
    accelerator: Accelerator,
    trainable: nn.Module,
    optimizer: torch.optim.Optimizer,
    setup: SegmentSetup,
    unused: Unused,
) -> tuple[nn.Module, AcceleratedOptimizer]:
    """The trainable part and its optimizer, which average gradients over several processes."""
    # A plugin's training step may leave parameters out, and some networks do so at random.
    some_unused = setup.probed is None or bool(unused.in_training)
    if some_unused:
        warnings.filterwarnings("ignore", "find_unused_parameters=True was specified")
    accelerator.ddp_handler = DistributedDataParallelKwargs(
        gradient_as_bucket_view=True, find_unused_parameters=some_unused
    )
    # The model is on its device already. To move it, Accelerate would first look for distributed
    # tensors, which takes half a second of imports.
    model, prepared = accelerator.prepare(trainable, optimizer, device_placement=[False, True])
    if accelerator.num_processes > 1:
        # Synchronised norms hold the same statistics in all processes, and others are shared after
        # an epoch. The argument of this name is deprecated; its successor is new in torch 2.14.
        model.broadcast_buffers = False
    return model, prepared


def _is_light(classifier: Classifier, partition: Partition, piece: int) -> bool:
    """Whether only a small head is trained on features, so that more threads gain nothing.

    Threads wait for each other at every step. If one core is busy with another program, all of
    them wait.
    """
    features = partition.whole and len(partition.layout.shape) == 1
    return features and piece * parameter_count(classifier, classifier.head_names) <= _LIGHT
