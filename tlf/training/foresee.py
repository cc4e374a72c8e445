"""What freeze policies will answer in later epochs: they are asked with invented results of the
epochs before.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from tlf.errors import PluginError
from tlf.results import EpochResult, Progress, StageSignals
from tlf.tasks.metric import LOSS, Metric

Foreseen = frozenset[str] | ValueError | None
"""The frozen parameters, or the error that the policy's answer would raise. ``None`` where the
policy itself raised: the metrics were invented, so it may not be at fault."""


EVERY_EPOCH_UP_TO = 50
"""Policies are asked about each of the first epochs of a phase, up to this one, and the last."""


def foresee(
    ask: Callable[[Progress], frozenset[str]],
    start: Progress,
    stages: Iterable[str],
    plausible: Callable[[float], Mapping[str, float]],
    described: Mapping[str, Metric],
) -> Iterator[tuple[int, tuple[Foreseen, ...]]]:
    """Ask about the epochs after the first: yield the number of each epoch, and both answers.

    Parameters:
        ask: progress → the frozen parameters.
        start: the progress at the start of the phase.
        stages: names of the stages, and of the head.
        plausible: a loss → metrics that an evaluation with this loss could have.
        described: how those of them are compared that the recipe names.

    >>> late = lambda progress: frozenset() if progress.epoch > 1 else frozenset({"stem"})
    >>> [answers[0] for _, answers in foresee(late, Progress(0, 3), (), lambda loss: {}, {})]
    [frozenset({'stem'}), frozenset()]
    """
    signals = dict.fromkeys(stages, StageSignals(1.0, 1.0, 1e-3))
    histories = [
        tuple(
            _invented(epoch, signals, plausible, described, improving=improving)
            for epoch in range(start.epochs - 1)
        )
        for improving in (False, True)
    ]
    last = start.epochs - 1
    for epoch in sorted({*range(1, min(last, EVERY_EPOCH_UP_TO) + 1), last} - {0}):
        moments = (replace(start, epoch=epoch, history=history[:epoch]) for history in histories)
        yield epoch, tuple(_answer(ask, moment) for moment in moments)


def _answer(ask: Callable[[Progress], frozenset[str]], progress: Progress) -> Foreseen:
    try:
        return ask(progress)
    except ValueError as error:
        return error
    except PluginError:
        return None


def _invented(
    epoch: int,
    signals: Mapping[str, StageSignals],
    plausible: Callable[[float], Mapping[str, float]],
    described: Mapping[str, Metric],
    *,
    improving: bool,
) -> EpochResult:
    """An epoch that was not trained, with plausible metrics."""
    loss = 1 / (epoch + 2) if improving else 10.0
    figures = plausible(loss)
    return EpochResult(
        phase="",
        epoch=epoch,
        train_loss=loss,
        metrics={LOSS.name: loss, **figures},
        lr=1e-3,
        updates=1,
        seconds=1.0,
        images_per_second=1.0,
        stages=signals,
        train_metrics={name: one for name, one in figures.items() if name not in described},
        described=described,
    )
