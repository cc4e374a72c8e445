"""Numbers that are not finite: which came first, and records without them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isfinite

from tlf.simulator.records import StageRecord, StepRecord


def only_finite(record: StepRecord) -> StepRecord:
    """The record with None for each number that is not finite; ``broken`` says which came first."""
    return replace(
        record,
        broken=first_broken(record),
        loss=_finite(record.loss),
        stages={stage: _stage(own) for stage, own in record.stages.items()},
        train=replace(record.train, loss=_finite(record.train.loss)),
        eval=replace(record.eval, loss=_finite(record.eval.loss)),
    )


def first_broken(record: StepRecord) -> str | None:
    """The first number of a step that is not finite, in words, without a full stop; None where
    there is none.
    """
    when = f"step {record.step}" if record.step else "the network before its first step"
    for what, number in _in_order(record):
        if number is not None and not isfinite(number):
            return f"In {when}, the {what} is {number}, which is no finite number"
    return None


def _in_order(record: StepRecord) -> Iterator[tuple[str, float | None]]:
    """The numbers of a record, named, in the order in which they are computed."""
    stages = record.stages
    yield from ((f"norm of the output of {s}", own.output) for s, own in stages.items())
    yield "loss", record.loss
    if not record.skipped:  # fp16 expects that gradients overflow now and then
        yield from _backward(stages)
    for stage, own in stages.items():
        yield f"norm of the weights of {stage}", own.weights
        if own.statistics is not None:
            yield f"drift of the statistics of {stage}", own.statistics.drift
    yield "loss of the train images after it", record.train.loss
    yield "loss of the eval images after it", record.eval.loss


def _backward(stages: Mapping[str, StageRecord]) -> Iterator[tuple[str, float | None]]:
    for stage, own in reversed([*stages.items()]):
        yield f"norm of the gradient at the output of {stage}", own.flow
        yield f"norm of the gradient of {stage}", own.gradient


def _stage(record: StageRecord) -> StageRecord:
    statistics = record.statistics
    return replace(
        record,
        output=_finite(record.output),
        flow=_finite(record.flow),
        gradient=_finite(record.gradient),
        weights=_finite(record.weights),
        update=_finite(record.update),
        statistics=statistics and replace(statistics, drift=_finite(statistics.drift)),
    )


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None
