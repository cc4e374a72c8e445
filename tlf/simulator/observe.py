"""Watch a step without changing it: what flows through every stage, and what moves."""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tlf.model import Classifier
from tlf.training.signals import parts


def outermost(classifier: Classifier) -> list[tuple[str, nn.Module, str]]:
    """Name, module and stage of the outermost modules whose parameters all belong to one stage."""
    stage_of = {name: stage for stage, names in parts(classifier).items() for name in names}
    found: list[tuple[str, nn.Module, str]] = []
    for name, module in classifier.named_modules():
        if any(name.startswith(f"{outer}.") for outer, _, _ in found):
            continue
        own = {stage_of[f"{name}.{key}"] for key, _ in module.named_parameters()} if name else ()
        if len(own) == 1:
            found.append((name, module, *own))
    return found


def first_tensor(output: object) -> Tensor | None:
    """The tensor of floating-point numbers that a module returned, or the first of several."""
    if isinstance(output, Tensor):
        return output if output.is_floating_point() else None
    values = output.values() if isinstance(output, Mapping) else output
    if not isinstance(values, list | tuple | type({}.values())):
        return None
    return next((t for one in values if (t := first_tensor(one)) is not None), None)


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
            self.norms[stage] = _norm([values.detach()])
            if values.requires_grad:
                values.register_hook(lambda slope: self._flowed(stage, call, slope))

        return called

    def _flowed(self, stage: str, call: int, slope: Tensor) -> None:
        if self._calls[stage] == call:  # not what an earlier module of the stage got
            self.flows[stage] = _norm([slope.detach()])


class Moves:
    """Gradients before the optimizer's step, and what the step changed.

    It takes the place of ``tlf.training.signals.Signals`` in one update.
    """

    def __init__(self) -> None:
        self.gradients: dict[str, Tensor] = {}
        """Stage → the norm of the gradient of its parameters, where one has a gradient."""

    def before(
        self, classifier: Classifier, trainable: Collection[str], frozen_norms: dict[str, Tensor]
    ) -> None:
        """Measure gradients, before the optimizer's step. ``None`` is no gradient, not 0."""
        for stage, names in parts(classifier).items():
            slopes = [classifier.get_parameter(name).grad for name in names]
            if present := [slope for slope in slopes if slope is not None]:
                self.gradients[stage] = _norm(present)

    def after(self, classifier: Classifier) -> None:
        """Nothing: what moved is compared with copies, of frozen tensors, too."""


def _norm(tensors: list[Tensor]) -> Tensor:
    """The L2 norm of all tensors together."""
    whole: Tensor = torch.stack([tensor.float().norm() for tensor in tensors]).norm()
    return whole


def tensors_of(classifier: Classifier) -> dict[str, dict[str, Tensor]]:
    """Stage → its parameters and buffers, by name."""
    found: dict[str, dict[str, Tensor]] = {
        stage: {name: classifier.get_parameter(name) for name in names}
        for stage, names in parts(classifier).items()
    }
    for name, module, stage in outermost(classifier):
        found[stage] |= {f"{name}.{key}": buffer for key, buffer in module.named_buffers()}
    return found


def copies(tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Copies of tensors, which do not change with them."""
    return {
        stage: {name: tensor.detach().clone() for name, tensor in own.items()}
        for stage, own in tensors.items()
    }
