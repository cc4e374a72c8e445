"""BatchNorm while a segment trains: over all processes or each share by itself, and at rest where a
process has no images.

A synchronised layer is still the model's own: only while an update is computed does its call of
``batch_norm`` exchange sums with the other processes. So nothing that is stored, compared or
exported knows of it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules._functions import SyncBatchNorm as DeviceSync
from torch.overrides import TorchFunctionMode

from tlf.freezing.partition import replaced
from tlf.model import batchnorms, normalisation_modules
from tlf.training.job import Job, largest_piece, largest_share
from tlf.training.phases import trains_norms


@dataclass(frozen=True)
class TrainedNorms:
    """The normalisation layers of a model that are in training mode."""

    alone: tuple[nn.Module, ...]
    """Those that see the images of their own process only."""
    together: tuple[tuple[nn.Module, Callable[..., Any]], ...]
    """Those that are synchronised, each with its synchronised ``forward``."""
    mode: "_Synchronising"
    """What all of these use."""

    @property
    def synchronised(self) -> bool:
        """Whether any is synchronised: all processes then have to compute every piece."""
        return bool(self.together)

    @contextmanager
    def computing(self, count: int) -> Iterator[None]:
        """Compute a share with ``count`` images that count, forward and backward."""
        self.mode.count = count
        with replaced(self.together), _at_rest(() if count else self.alone):
            yield


def trained_norms(model: nn.Module, *, synchronised: bool) -> TrainedNorms:
    """The normalisation layers of a model that are in training mode now.

    Parameters:
        model: the model.
        synchronised: whether its BatchNorm layers take their statistics from all processes.
    """
    mode = _Synchronising()
    together = batchnorms(model) if synchronised else ()
    norms = normalisation_modules(model).values()
    return TrainedNorms(
        alone=tuple(n for n in norms if n.training and n not in together),
        together=tuple((norm, _synchronised(norm, mode)) for norm in together),
        mode=mode,
    )


@contextmanager
def _at_rest(norms: Sequence[nn.Module]) -> Iterator[None]:
    """Put these layers into eval mode inside a ``with`` block: they keep their statistics."""
    for norm in norms:
        norm.training = False
    try:
        yield
    finally:
        for norm in norms:
            norm.training = True


def _synchronised(norm: nn.Module, mode: "_Synchronising") -> Callable[..., Any]:
    # torch's own synchronised layer refuses a CPU; its plain forward does not.
    own = isinstance(norm, nn.SyncBatchNorm)
    plain: Callable[[Tensor], Tensor] = nn.modules.batchnorm._BatchNorm.forward.__get__(norm)
    forward = plain if own else norm.forward

    def synchronised(images: Tensor) -> Tensor:
        with mode:
            return forward(images)

    return synchronised


class _Synchronising(TorchFunctionMode):
    """Synchronises every ``batch_norm`` that is called inside a ``with`` block.

    Layers are not replaced, because they differ in what else they do: timm's hold an activation.
    """

    count = 0
    """How many images of the batch count; all, or none."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as torch has it
        if func is functional.batch_norm:
            return _batch_norm(*args, **(kwargs or {}), counts=self.count > 0)
        return func(*args, **(kwargs or {}))


def _batch_norm(
    images: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    counts: bool,
) -> Tensor:
    """``batch_norm`` with the statistics of the batches of all processes. Where the images do not
    count, it only takes part in the exchange.
    """
    if not training:
        return functional.batch_norm(
            images, running_mean, running_var, weight, bias, False, momentum, eps
        )
    group = distributed.group.WORLD
    # Statistics of images in half precision are float32; those of no images must be so, too.
    wide = torch.promote_types(images.dtype, torch.float32)
    counted = images if counts else images[:0].to(wide)
    exchange = HostSync if images.device.type == "cpu" else DeviceSync
    normed: Tensor = exchange.apply(
        counted, weight, bias, running_mean, running_var, eps, momentum,
        group, distributed.get_world_size(group),
    )  # fmt: skip
    if counts:
        return normed
    if running_mean is not None:
        images = functional.batch_norm(images, running_mean, running_var, weight, bias, eps=eps)
    return images + normed.sum()  # the sum of nothing: backward takes part in the exchange, too


class HostSync(torch.autograd.Function):
    """What torch's own function for synchronised BatchNorm computes, on a CPU. It may get no image.

    Source: Chan et al., 1979, for the variance of several samples together.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - as torch has it
        images: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        eps: float,
        momentum: float,
        group: distributed.ProcessGroup,
        processes: int,
    ) -> Tensor:
        """Normalise by the mean and variance over all processes; update the running statistics."""
        own = _statistics(images)
        every = [torch.empty_like(own) for _ in range(processes)]
        # Gathered, not reduced: the sums have the same bits in every process.
        distributed.all_gather(every, own, group)
        channels = images.shape[1]
        gathered = torch.stack(every)
        means, variances, counts = torch.split(gathered, [channels, channels, 1], dim=1)
        total = counts.sum()
        mean = (means * counts).sum(0) / total
        var = ((variances + (means - mean).square()) * counts).sum(0) / total
        if running_mean is not None and running_var is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            unbiased = var * (total / (total - 1))
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
        ctx.save_for_backward(images, weight, mean, (var + eps).rsqrt(), total)
        ctx.group = group
        return functional.batch_norm(images, mean, var, weight, bias, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """The gradients for images, weight and bias."""
        images, weight, mean, scale, total = ctx.saved_tensors
        over, along = _dims(images)
        mean, scale = mean.view(along), scale.view(along)
        normed = (images - mean) * scale
        gradient = gradient.to(normed.dtype)
        for_bias, for_weight = gradient.sum(over), (gradient * normed).sum(over)
        for_images = None
        if ctx.needs_input_grad[0]:
            sums = torch.stack([for_bias, for_weight])
            distributed.all_reduce(sums, group=ctx.group)
            shared = (sums / total).view(2, *along)
            scale = scale if weight is None else scale * weight.view(along)
            for_images = ((gradient - shared[0] - normed * shared[1]) * scale).to(images.dtype)
        _, has_weight, has_bias, *_ = ctx.needs_input_grad
        return (
            for_images, for_weight if has_weight else None, for_bias if has_bias else None,
            None, None, None, None, None, None,
        )  # fmt: skip


def _statistics(images: Tensor) -> Tensor:
    """Mean and variance of each channel, and the number of values behind them; in float32 also
    where the images are in half precision.
    """
    over, _ = _dims(images)
    count = images.numel() // images.shape[1]
    dtype = torch.promote_types(images.dtype, torch.float32)
    if not count:
        return images.new_zeros(2 * images.shape[1] + 1, dtype=dtype)
    var, mean = torch.var_mean(images.to(dtype), over, correction=0)
    return torch.cat([mean, var, mean.new_tensor([count])])


def _dims(images: Tensor) -> tuple[list[int], list[int]]:
    """The dimensions that statistics are taken over; the shape in which they are broadcast."""
    rest = [1] * (images.ndim - 2)
    return [0, *range(2, images.ndim)], [1, -1, *rest]


def norm_notes(job: Job) -> Iterator[str]:
    """A sentence for each reason why BatchNorm does not take its statistics from whole batches."""
    recipe = job.recipe
    local, pieces = recipe.batchnorm == "local", job.pieces > 1
    if not (local or pieces) or trains_norms(job.plan, job.classifier) is None:
        return
    if local:
        yield (
            'batchnorm = "local": BatchNorm takes its statistics from the images of each process, '
            f"{largest_piece(job)} at once; on another number of processes, the same recipe is "
            "another experiment"
        )
    if pieces:
        yield (
            f"accumulate = {job.pieces}: BatchNorm takes its statistics from pieces of "
            f"{largest_share(job, job.pieces, 1)} images, not from batches of {recipe.batch_size}"
        )
