"""What a phase will freeze in its later epochs, as far as that can be known before training.

Freeze policies are pure functions of the progress, so they can be asked about epochs that have not
come yet. What depends on how well training goes is asked twice: as if no figure ever improved, and
as if all of them always did.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from tlf.errors import PluginError
from tlf.results import EpochResult, Progress, StageSignals

Foreseen = frozenset[str] | ValueError | None
"""The parameters that stand still, or why there is no training like that; ``None`` where the policy
broke over figures that nobody measured, which it is not blamed for."""


CLOSELY = 50
"""Epochs of a phase that are asked for one by one; of those after them, only the last is."""


def foresee(
    ask: Callable[[Progress], frozenset[str]], start: Progress, stages: Iterable[str]
) -> Iterator[tuple[int, tuple[Foreseen, ...]]]:
    """Ask about the epochs after the first: yield the number of each, and both answers.

    >>> late = lambda progress: frozenset() if progress.epoch > 1 else frozenset({"stem"})
    >>> [answers[0] for _, answers in foresee(late, Progress(0, 3), ())]
    [frozenset({'stem'}), frozenset()]
    """
    signals = dict.fromkeys(stages, StageSignals(1.0, 1.0, 1e-3))
    histories = [
        tuple(_supposed(epoch, signals, improving=improving) for epoch in range(start.epochs - 1))
        for improving in (False, True)
    ]
    last = start.epochs - 1
    for epoch in sorted({*range(1, min(last, CLOSELY) + 1), last} - {0}):
        moments = (replace(start, epoch=epoch, history=history[:epoch]) for history in histories)
        yield epoch, tuple(_answer(ask, moment) for moment in moments)


def _answer(ask: Callable[[Progress], frozenset[str]], progress: Progress) -> Foreseen:
    try:
        return ask(progress)
    except ValueError as error:
        return error
    except PluginError:
        return None


def _supposed(epoch: int, signals: Mapping[str, StageSignals], *, improving: bool) -> EpochResult:
    """An epoch that nobody trained, with figures that could be."""
    loss = 1 / (epoch + 2) if improving else 10.0
    return EpochResult(
        phase="",
        epoch=epoch,
        train_loss=loss,
        eval_loss=loss,
        eval_top1=max(0.0, 1 - loss),
        lr=1e-3,
        updates=1,
        seconds=1.0,
        images_per_second=1.0,
        stages=signals,
    )
