"""What a step has done to every stage: norms, and what differs from before, bit for bit."""

from collections.abc import Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from tlf.model import normalisation_modules
from tlf.simulator.observe import Tensors, Watched, norm, tensors_of
from tlf.simulator.records import StageRecord, Statistics
from tlf.training.segments.segment import Segment
from tlf.training.signals import parts

INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of a number → the integers that show its bits."""


def stage_records(
    segment: Segment, watched: Watched | None, before: Tensors, start: Tensors
) -> dict[str, StageRecord]:
    """The records of all stages, from the stem to the head. Their numbers may not be finite.

    Parameters:
        segment: what the step was made with; it holds the network after it.
        watched: the step; None before the first one.
        before: copies of the tensors before the step.
        start: copies of the tensors before the first step.
    """
    classifier, rates = segment.classifier, segment.rates
    now = tensors_of(classifier)
    statistics = {*chain.from_iterable(statistics_names(classifier).values())}
    seen = (watched.outputs, watched.flows, watched.gradients) if watched else ({}, {}, {})
    found = {}
    for stage, names in parts(classifier).items():
        own, old = now[stage], before[stage]
        trained = [name for name in names if name in rates]
        changes = {name: differing(own[name], old[name]) for name in own}
        output, flow, gradient = (_number(norms.get(stage)) for norms in seen)
        found[stage] = StageRecord(
            trains=_count(own, trained),
            rate=max((rates[name] for name in trained), default=None),
            output=output,
            flow=flow,
            gradient=gradient,
            weights=_norm([own[name] for name in names]),
            update=_norm([own[name] - old[name] for name in names]) if trained else None,
            moved=sum(changes[name] for name in names),
            unchanged=not any(changes.values()),
            statistics=_statistics([n for n in own if n in statistics], own, changes, start[stage]),
            unused=_count(own, [name for name in names if name in segment.unused]),
        )
    return found


def differing(one: Tensor, other: Tensor) -> int:
    """How many values differ, if only by a bit: 0 and -0 do, and equal NaNs do not.

    >>> differing(torch.tensor([0.0, 1.0, torch.nan]), torch.tensor([-0.0, 1.0, torch.nan]))
    1
    """
    bits = INTEGERS[one.element_size()]
    return int((one.detach().view(bits) != other.view(bits)).sum())


def statistics_names(module: nn.Module) -> dict[str, list[str]]:
    """Normalisation layer → names of its buffers that hold statistics, if there are some. A counter
    is none.
    """
    found = {
        name: [f"{name}.{key}" for key, buffer in layer.named_buffers(recurse=False)
               if buffer.is_floating_point()]
        for name, layer in normalisation_modules(module).items()
    }  # fmt: skip
    return {name: names for name, names in found.items() if names}


def _statistics(
    names: Sequence[str],
    now: Mapping[str, Tensor],
    changes: Mapping[str, int],
    start: Mapping[str, Tensor],
) -> Statistics | None:
    if not names:
        return None
    first = norm([start[name] for name in names])
    distance = norm([now[name] - start[name] for name in names])
    return Statistics(
        changed=any(changes[name] for name in names),
        drift=float(distance / first) if first else None,
    )


def _count(tensors: Mapping[str, Tensor], names: Sequence[str]) -> int:
    return sum(tensors[name].numel() for name in names)


def _norm(tensors: Sequence[Tensor]) -> float | None:
    return float(norm([tensor.detach() for tensor in tensors])) if tensors else None


def _number(value: Tensor | None) -> float | None:
    return None if value is None else float(value)
