"""Watch a step without changing it: its outputs and gradients, stage by stage."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tlf.freezing.stage_modules import first_tensor, outermost
from tlf.model import Classifier
from tlf.training.loss_meter import Made
from tlf.training.signals import parts
from tlf.training.step import Updates

Tensors = Mapping[str, Mapping[str, Tensor]]
"""Stage → its parameters and buffers, by name."""


@dataclass(frozen=True)
class Watched:
    """A step, as it was seen. A stage that has no such tensor is in no table."""

    loss: float
    """Mean over the images of its batch."""
    correct: int | None
    """Images that were classified correctly; None where that is not known."""
    skipped: bool
    """Whether nothing moved: the gradients overflowed in fp16."""
    seconds: float
    outputs: Mapping[str, Tensor]
    """Stage → the norm of its output."""
    flows: Mapping[str, Tensor]
    """Stage → the norm of the gradient with respect to its output."""
    gradients: Mapping[str, Tensor]
    """Stage → the norm of the gradient of its parameters."""


def watched_step(updates: Updates, number: int, size: int) -> Watched:
    """Make one update, and watch it.

    Parameters:
        updates: makes it.
        number: the number of the update.
        size: the number of images in its batch.
    """
    scaler = updates.job.accelerator.scaler
    scale = scaler.get_scale() if scaler else 1.0  # of fp16: the loss is multiplied by it
    gradients = Gradients()
    began = time.perf_counter()
    with Outputs(updates.segment.classifier) as outputs:
        made = updates.make(number, size, gradients)
    loss = float(made.loss) / made.images  # the host has waited for the device
    seconds = time.perf_counter() - began
    flows = {stage: flow / scale for stage, flow in outputs.flows.items()}
    return Watched(
        loss, _correct(made), made.skipped, seconds, outputs.norms, flows, gradients.norms
    )


def _correct(made: Made) -> int | None:
    known = made.correct and all(bool(logit.isfinite()) for logit in made.logits)
    return sum(int(piece.sum()) for piece in made.correct) if known else None


class Outputs:
    """The output of every stage in a forward pass, and the gradient that reaches it.

    A stage is a group of parameters and no module. Its output is that of its outermost module that
    was called last.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.norms: dict[str, Tensor] = {}
        """Stage → the norm of its output."""
        self.flows: dict[str, Tensor] = {}
        """Stage → the norm of the gradient with respect to its output, where there is one."""
        self._modules = outermost(classifier)
        self._calls: dict[str, int] = {}
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> "Outputs":
        self._handles = [m.register_forward_hook(self._hook(s)) for _, m, s in self._modules]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _hook(self, stage: str) -> Callable[[nn.Module, object, object], None]:
        def called(_: nn.Module, __: object, output: object) -> None:
            values = first_tensor(output)
            if values is None:
                return
            call = self._calls[stage] = self._calls.get(stage, 0) + 1
            self.norms[stage] = norm([values.detach()])
            if values.requires_grad:
                # torch has no types for it
                values.register_hook(lambda slope: self._flowed(stage, call, slope))  # type: ignore[no-untyped-call]

        return called

    def _flowed(self, stage: str, call: int, slope: Tensor) -> None:
        if self._calls[stage] == call:  # not what an earlier module of the stage got
            self.flows[stage] = norm([slope.detach()])


class Gradients:
    """The gradients of the parameters of every stage, before the optimizer's step."""

    def __init__(self) -> None:
        self.norms: dict[str, Tensor] = {}
        """Stage → the norm of its gradients, where a parameter has one. ``None`` is not 0."""

    def before(
        self, classifier: Classifier, trainable: Collection[str], frozen_norms: dict[str, Tensor]
    ) -> None:
        """Measure them."""
        for stage, names in parts(classifier).items():
            slopes = [classifier.get_parameter(name).grad for name in names]
            if present := [slope for slope in slopes if slope is not None]:
                self.norms[stage] = norm(present)

    def after(self, classifier: Classifier) -> None:
        """Nothing: what moved is found by comparing all tensors, frozen ones too."""


def norm(tensors: Collection[Tensor]) -> Tensor:
    """The L2 norm of all values of one or more tensors together.

    In float64, where the device has it: in float32, millions of squares add up to a norm that is
    wrong in its fifth digit.
    """
    norms = [torch.linalg.vector_norm(tensor, dtype=_widest(tensor)) for tensor in tensors]
    whole: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return whole


def _widest(tensor: Tensor) -> torch.dtype:
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def tensors_of(classifier: Classifier) -> Tensors:
    """Stage → its parameters and buffers, by name.

    A buffer belongs to the stage of the module with parameters that it is in, or that comes last
    before it, as ``tlf.freezing.freeze.set_modes`` has it.
    """
    found: dict[str, dict[str, Tensor]] = {
        stage: {name: classifier.get_parameter(name) for name in names}
        for stage, names in parts(classifier).items()
    }
    starts = {name: stage for name, _, stage in outermost(classifier)}
    stage = next(iter(found))
    for name, module in classifier.named_modules():
        stage = starts.get(name, stage)
        for key, buffer in module.named_buffers(recurse=False):
            found[stage][f"{name}.{key}"] = buffer
    return found


def copies(tensors: Tensors) -> Tensors:
    """Copies of tensors, which do not change with them."""
    return {
        stage: {name: tensor.detach().clone() for name, tensor in own.items()}
        for stage, own in tensors.items()
    }


def write_back(tensors: Tensors, copied: Tensors) -> None:
    """Give tensors the values of their copies."""
    with torch.no_grad():
        for stage, own in tensors.items():
            for name, tensor in own.items():
                tensor.copy_(copied[stage][name])
