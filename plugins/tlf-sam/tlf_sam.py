"""Sharpness-aware minimisation: descend along the gradient at the worst point nearby.

Source: Foret et al. 2021, arXiv:2010.01412.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tlf.hookspecs import hookimpl


@dataclass(frozen=True)
class Sam:
    """Every update uses the gradient at the point within ``rho`` where the loss is highest, to
    first order. An update takes two forward and two backward passes.

    Each process, and each part of an accumulated batch, finds that point for its own images, as in
    the paper.
    """

    rho: float = 0.05
    """Distance to that point: the norm of the step over all weights that train."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 < self.rho < math.inf:
            raise ValueError(f"rho must be finite and above 0, got {self.rho}")

    @hookimpl
    def tlf_training_step(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        loss: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """The loss at that point; its gradient is applied to the weights at their own point."""
        trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
        steps = self._ascent(model, list(trainable.values()), images, labels, loss)
        moved = {name: p + step for (name, p), step in zip(trainable.items(), steps, strict=True)}
        return loss(functional_call(model, moved, (images,)), labels).mean()

    def _ascent(
        self,
        model: nn.Module,
        trainable: list[nn.Parameter],
        images: Tensor,
        labels: Tensor,
        loss: Callable[[Tensor, Tensor], Tensor],
    ) -> list[Tensor]:
        """The step to the worst point nearby, for each parameter."""
        # Without the wrapper of several processes: each process needs its own gradient. BatchNorm's
        # statistics go into copies, so that the images count once.
        inner = getattr(model, "module", model)
        statistics = {name: buffer.clone() for name, buffer in inner.named_buffers()}
        here = loss(functional_call(inner, statistics, (images,)), labels).mean()
        found = torch.autograd.grad(here, trainable, allow_unused=True)
        gradients = [
            torch.zeros_like(p) if g is None else g for p, g in zip(trainable, found, strict=True)
        ]
        length = torch.stack([gradient.norm() for gradient in gradients]).norm()
        return [gradient * (self.rho / (length + 1e-12)) for gradient in gradients]


@hookimpl
def tlf_extensions() -> dict[str, type]:
    """Offer the extension to recipes."""
    return {"sam": Sam}
