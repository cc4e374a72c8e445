"""What a step costs: multiply-adds, memory, time, and what tlf would compute once.

Multiply-adds of the forward pass are counted (``forward_work``). Those of the backward pass follow
from them by rule (``step_multiply_adds``). Memory is counted in a pass of its own (``held_bytes``);
on a CUDA GPU its peak is measured.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tlf.components import Optimizer
from tlf.data.transforms import normalize
from tlf.freezing.find_partition import find_partition
from tlf.freezing.freeze import freeze
from tlf.freezing.partition import Partition
from tlf.freezing.stage_modules import outermost
from tlf.model import Classifier
from tlf.simulator.observe import Outputs, copies, tensors_of, write_back
from tlf.simulator.scene import Stage
from tlf.training.embeddings import plain_train_images
from tlf.training.features import plain_batches
from tlf.training.job import Job
from tlf.training.phases import apart
from tlf.training.segments.groups import build_optimizer, parameter_groups

LONG = 4.0
"""Seconds of a pass that need not be measured twice."""
PROBES = 2
"""Images that the forward pass is counted with: BatchNorm takes no statistics of one."""


@dataclass(frozen=True)
class Costs:
    """What a step costs, beside one in which everything trains."""

    computed_once: str | None
    """What a run would compute once for every image, such as ``features`` or ``output of layer2``;
    None where that is nothing."""
    multiply_adds: int
    """Of a step, for one image, without what a run computes once."""
    everything: int
    """The same where everything trains."""
    memory: int
    """Bytes that the step holds beside the network: activations that are saved for the backward
    pass, gradients, and the optimizer's state. On a GPU: its peak, as it was measured."""
    memory_everything: int
    seconds_everything: float
    """Of a step in which everything trains, with as many images, as it was measured."""


def step_multiply_adds(
    stages: Sequence[Stage], trains: Mapping[str, int], once: Collection[str] = ()
) -> int:
    """Multiply-adds of a step for one image, by rule.

    Every stage makes its forward pass, if it is not computed once. The gradient of activations
    costs as much, in the stages above the lowest one that trains. So does the gradient of weights,
    in the stages that train; where a part of a stage trains, as large a part of it. So where
    everything trains, a step costs three forward passes, less the lowest stage's once.

    Source: both gradients of a matrix product are products of the same size; Kaplan et al., 2020,
    arXiv:2001.08361, section 2.1.

    Parameters:
        stages: from the stem to the head.
        trains: stage → how many of its parameters train.
        once: names of the stages that are computed once.
    """
    above, total = False, 0
    for stage in stages:
        passes = (stage.name not in once) + above
        total += passes * stage.multiply_adds
        if count := trains[stage.name]:
            total += round(stage.multiply_adds * count / stage.parameters)
            above = True
    return total


@dataclass(frozen=True)
class ForwardWork:
    """A forward pass, stage by stage."""

    multiply_adds: Mapping[str, int]
    """For one image. Only of products of matrices and convolutions: all else is little."""
    observed: frozenset[str]
    """Stages whose output can be seen."""


def forward_work(job: Job) -> ForwardWork:
    """Count the multiply-adds of each stage. Work outside of its modules, such as a product of two
    outputs, is that of the stage that ran last.
    """
    classifier = job.classifier
    stage, *_ = classifier.stages
    found = dict.fromkeys((*classifier.stages, "head"), 0)
    counter = FlopCounterMode(display=False)
    counted = 0

    def enter(following: str) -> None:
        nonlocal stage, counted
        total = counter.get_total_flops()
        found[stage] += total - counted
        stage, counted = following, total

    with undisturbed(classifier), Outputs(classifier) as outputs:
        images, _ = first_batch(job, PROBES)
        classifier.eval().requires_grad_(True)  # without gradients, attention may run uncounted
        handles = [
            module.register_forward_pre_hook(lambda *_, name=name: enter(name))
            for _, module, name in outermost(classifier)
        ]
        # The counter knows products, and no fused kernel of attention on a CPU.
        with sdpa_kernel(SDPBackend.MATH), counter:
            classifier(images)
            enter(stage)
        for handle in handles:
            handle.remove()
    # A multiply-add is two operations.
    per_image = {name: flops // 2 // PROBES for name, flops in found.items()}
    return ForwardWork(per_image, frozenset(outputs.norms))


def partition_of(job: Job, frozen: frozenset[str], batch: int) -> Partition | None:
    """Where the frozen stages end that a run computes once; None where it computes none of them.

    Images of the page are not mixed. But a run that mixes them computes nothing once.
    """
    classifier = job.classifier
    image = apart(job.plan, job.recipe.phases[0], job.preprocessing)
    if image is None:
        return None
    with undisturbed(classifier):
        freeze(classifier, frozen)
        return find_partition(classifier, frozen, image, job.accelerator.autocast, batch)


def held_bytes(
    job: Job, frozen: frozenset[str], optimizer: Optimizer, batch: int, *, naive: bool = False
) -> int:
    """Bytes that a step holds beside the network."""
    classifier, device = job.classifier, job.accelerator.device
    with undisturbed(classifier):
        images, labels = first_batch(job, batch)
        freeze(classifier, frozen)
        if naive:
            classifier.train()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            _backward(job, images, labels)
            _updated(classifier, optimizer)
            return torch.cuda.max_memory_allocated(device) - before
        saved = _saved(job, images, labels)
        trainable = [p for p in classifier.parameters() if p.requires_grad]
        for parameter in trainable:
            parameter.grad = torch.zeros_like(parameter)
        state = _updated(classifier, optimizer)
        return saved + sum(p.nbytes for p in trainable) + state


def pass_seconds(job: Job, batch: int) -> float:
    """Time of a forward and a backward pass while everything trains: of the faster one of two, as
    the first one of all takes longer, if that does not take long.
    """
    with undisturbed(job.classifier):
        images, labels = first_batch(job, batch)
        freeze(job.classifier, ())
        times = [busy_seconds(job)]
        while len(times) < 3 and times[-1] - times[0] < LONG:
            _backward(job, images, labels)
            times.append(busy_seconds(job))
    return min(after - before for before, after in pairwise(times))


def busy_seconds(job: Job) -> float:
    """A clock of what this thread computes: on a CPU it stands still while other programs do, so
    that a busy moment does not decide what the page shows. Other devices have no such clock.
    """
    on_cpu = job.accelerator.device.type == "cpu"
    return time.thread_time() if on_cpu else time.perf_counter()


def naive_differs(job: Job) -> bool:
    """Whether a frozen network in training mode gives other features, or changes its buffers: by
    BatchNorm or dropout.
    """
    classifier = job.classifier
    with undisturbed(classifier), job.accelerator.autocast():
        images, _ = first_batch(job, PROBES)
        classifier.requires_grad_(True)  # without gradients, torch has other kernels in eval mode
        before = [buffer.clone() for buffer in classifier.backbone.buffers()]
        frozen = classifier.eval().features(images)
        naive = classifier.train().features(images)
        after = classifier.backbone.buffers()
        moved = not all(map(torch.equal, before, after))
    return moved or not torch.equal(frozen, naive)


def first_batch(job: Job, count: int) -> tuple[Tensor, Tensor]:
    """The first train images as the network takes them (B, C, S, S), and their labels. A loader
    draws from torch's generator when it starts.
    """
    (batch,) = plain_batches(job, plain_train_images(job), [range(count)], None)
    inputs = normalize(batch.inputs, job.preprocessing)
    return inputs.contiguous(memory_format=torch.channels_last), batch.labels


@contextmanager
def undisturbed(classifier: Classifier) -> Iterator[None]:
    """Leave a network as it was: weights, buffers, gradients, modes, and what is drawn next."""
    before = copies(tensors_of(classifier))
    gradients = [(p, p.requires_grad, p.grad) for p in classifier.parameters()]
    modes = [(module, module.training) for module in classifier.modules()]
    device = next(classifier.parameters()).device
    for parameter, _, _ in gradients:
        parameter.grad = None
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            write_back(tensors_of(classifier), before)
            for parameter, required, gradient in gradients:
                parameter.requires_grad_(required).grad = gradient
            for module, training in modes:
                module.training = training


def _mean_loss(job: Job, images: Tensor, labels: Tensor) -> Tensor:
    with job.accelerator.autocast():
        logits = job.classifier(images)
    return job.losses(logits.float(), labels).mean()


def _backward(job: Job, images: Tensor, labels: Tensor) -> float:
    """Compute gradients, and wait for the device; the mean loss."""
    loss = _mean_loss(job, images, labels)
    job.accelerator.backward(loss)
    return loss.item()


def _saved(job: Job, images: Tensor, labels: Tensor) -> int:
    """Bytes that the forward pass saves for the backward pass, the network's own excluded."""
    own = {
        tensor.untyped_storage().data_ptr()
        for tensor in (*job.classifier.parameters(), *job.classifier.buffers())
    }
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # it holds the storage, so that no other tensor gets its place

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = _mean_loss(job, images, labels)
    del loss
    return sum(saved.values())


def _updated(classifier: Classifier, optimizer: Optimizer) -> int:
    """Let an optimizer make a step; the bytes of its state."""
    rates = {name: 1e-3 for name, p in classifier.named_parameters() if p.grad is not None}
    built = build_optimizer(optimizer, parameter_groups(classifier, rates, optimizer))
    built.step()
    return sum(tensor.nbytes for state in built.state.values() for tensor in _tensors(state))


def _tensors(state: object) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, Mapping | list | tuple):
        for each in state.values() if isinstance(state, Mapping) else state:
            yield from _tensors(each)
