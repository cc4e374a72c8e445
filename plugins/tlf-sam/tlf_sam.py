"""Sharpness-aware minimisation: descend along the gradient of the worst point nearby.

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
    first order. An update costs two forward and two backward passes.

    Each process, and each piece of an accumulated batch, finds that point for its own images, as
    the paper's accelerators do.
    """

    rho: float = 0.05
    """How far that point is away, as the length of the step over all weights that train."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 < self.rho < math.inf:
            raise ValueError(f"rho is a number above 0, not {self.rho}")

    @hookimpl
    def tlf_training_step(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        loss: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """The loss at that point, whose gradient is that of the weights where they are."""
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
        """The step to where the loss is highest nearby, for each parameter."""
        # Inside the wrapper of several processes: this gradient is each one's own. BatchNorm's
        # statistics go into copies: the images shall count once.
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
