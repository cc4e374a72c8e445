"""What a phase will freeze in its later epochs, as far as that can be known before training.

Freeze policies are pure functions of the progress, so they can be asked about epochs that have not
come yet. What depends on how well training goes is asked twice: as if no figure ever improved, and
as if all of them always did.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from tlf.errors import PluginError
from tlf.results import EpochResult, Progress, StageSignals

Foreseen = frozenset[str] | ValueError | None
"""The parameters that stand still, or why there is no training like that; ``None`` where the policy
broke over figures that nobody measured, which it is not blamed for."""


def foresee(
    ask: Callable[[Progress], frozenset[str]], start: Progress, stages: Iterable[str]
) -> Iterator[tuple[int, tuple[Foreseen, ...]]]:
    """Ask about every epoch after the first: yield its number, and both answers.

    >>> late = lambda progress: frozenset() if progress.epoch > 1 else frozenset({"stem"})
    >>> [answers[0] for _, answers in foresee(late, Progress(0, 3), ())]
    [frozenset({'stem'}), frozenset()]
    """
    parts = tuple(stages)
    for epoch in range(1, start.epochs):
        answers: list[Foreseen] = []
        for improving in (False, True):
            history = tuple(_supposed(n, parts, improving=improving) for n in range(epoch))
            try:
                answers.append(ask(replace(start, epoch=epoch, history=history)))
            except ValueError as error:
                answers.append(error)
            except PluginError:
                answers.append(None)
        yield epoch, tuple(answers)


def _supposed(epoch: int, stages: tuple[str, ...], *, improving: bool) -> EpochResult:
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
        stages={stage: StageSignals(1.0, 1.0, 1e-3) for stage in stages},
    )
