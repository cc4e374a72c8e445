"""Numbers that are not finite stop a run before anything is made of them.

Losses, logits, weights, statistics and signals stay on the device. The host reads them together: at
the updates that ``tlf.training.pace`` names, and before a state or a result is written.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from math import inf, isfinite

import torch
from accelerate.utils import gather_object
from torch import Tensor

from tlf.errors import NotFiniteError
from tlf.training.job import Job
from tlf.training.state import State


def check_finite(job: Job, state: State) -> None:
    """Read what was computed since the last check, in one transfer. All processes call this alike.

    Raises:
        NotFiniteError: something is not finite, in this process or in another one.
    """
    losses, signals = state.losses, state.signals
    changing = {} if state.segment is None else state.segment.changing
    read, norms, largest_of = together(
        [] if losses is None else losses.pending(),
        signals.pending(),
        largest(changing.values()),
    )
    figures = {} if losses is None else losses.take(read)
    after = f" after update {state.update}"
    figures |= {name + after: value for name, value in zip(changing, largest_of, strict=True)}
    figures |= {name + after: value for name, value in signals.take(norms).items()}
    require_finite(job, state, figures)


def require_finite(job: Job, state: State, figures: Mapping[str, float]) -> None:
    """Check figures by name, in all processes.

    Raises:
        NotFiniteError: names the first that is not finite.
    """
    fault = next((item for item in figures.items() if not isfinite(item[1])), None)
    (faults,) = job.summed([fault is not None])
    if not faults:
        return
    every: list[tuple[str, float] | None] = [fault]
    if job.accelerator.num_processes > 1:
        every = gather_object(every)
    what, value = next(item for item in every if item is not None)
    phase = job.recipe.phases[state.phase].name
    raise NotFiniteError(
        f"{what} must be finite, got {value} in phase {phase}, epoch {state.epoch + 1}; "
        'write a lower lr, warmup, clip_grad_norm, or precision = "no"'
    )


def together(*groups: Sequence[Tensor]) -> list[list[float]]:
    """Read single numbers of the device, group by group. The host waits for it once."""
    numbers = [number.float() for group in groups for number in group]
    values = iter(torch.stack(numbers).tolist() if numbers else ())
    return [[*islice(values, len(group))] for group in groups]


def largest(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The largest magnitude in each tensor. It is finite where all its values are."""
    held = [tensor.detach() for tensor in tensors]
    return [*torch._foreach_norm(held, inf)] if held else []
