"""What trained: stages and epochs as a strip of cells, for a page and a plot."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

from tlf.results import EpochResult, StageSignals

One = TypeVar("One")

MOST_COLUMNS, MOST_ROWS = 60, 40
"""A strip is at most so large: neighbours share a cell where there are more epochs or stages."""


@dataclass(frozen=True)
class Cell:
    """One stage in one epoch, or neighbours of either that share a cell."""

    state: str
    """``frozen``, ``trains``, ``both`` where some of it is frozen and some trains, or ``unknown``
    where an older tlf ran or a plugin made the steps."""
    lr: float
    """The highest learning rate; 0 where an older tlf ran."""
    grad_norm: float
    """Mean norm of the gradient."""
    update_ratio: float
    """Mean norm of an update, divided by that of the weights that it changed."""


@dataclass(frozen=True)
class Row:
    """Stages and their cells."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Strip:
    """The cells of a run."""

    columns: tuple[str, ...]
    """Phase and epochs of each column, as people count them."""
    epochs: tuple[int, ...]
    """The first epoch of each column in its phase, from 1."""
    phases: tuple[tuple[str, int], ...]
    """Each phase, and how many columns begin in it."""
    rows: tuple[Row, ...]
    """From the head down to the stem: the input is at the bottom."""
    shared: bool
    """Whether neighbours share cells."""


def strip(history: Sequence[EpochResult]) -> Strip:
    """The strip of a run's epochs; without a row where no stage was measured."""
    epochs = _stretches(range(len(history)), MOST_COLUMNS)
    names = [*dict.fromkeys(stage for one in history for stage in one.stages)]
    stages = _stretches([n for n in names if n != "head"], MOST_ROWS - 1)
    stages += [["head"]] if "head" in names else []
    columns = [[history[n] for n in stretch] for stretch in epochs]
    return Strip(
        tuple(_column(stretch) for stretch in columns),
        tuple(stretch[0].epoch + 1 for stretch in columns),
        _phases(columns),
        tuple(
            Row(_ends(group), tuple(_cell(_signals(column, group)) for column in columns))
            for group in reversed(stages)
        ),
        shared=len(columns) < len(history) or len(stages) < len(names),
    )


def _stretches(items: Sequence[One], most: int) -> list[list[One]]:
    step = max(1, ceil(len(items) / most))
    return [[*items[start : start + step]] for start in range(0, len(items), step)]


def _ends(names: Sequence[str]) -> str:
    return " … ".join(dict.fromkeys((names[0], names[-1])))


def _column(epochs: Sequence[EpochResult]) -> str:
    return _ends([f"{one.phase} {one.epoch + 1}" for one in epochs])


def _phases(columns: Sequence[Sequence[EpochResult]]) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for column in columns:
        phase = column[0].phase
        if found and found[-1][0] == phase:
            found[-1] = (phase, found[-1][1] + 1)
        else:
            found.append((phase, 1))
    return tuple(found)


def _signals(epochs: Sequence[EpochResult], stages: Sequence[str]) -> list[StageSignals]:
    return [one.stages[stage] for one in epochs for stage in stages if stage in one.stages]


def _cell(signals: Sequence[StageSignals]) -> Cell:
    if not signals:
        return Cell("unknown", 0.0, 0.0, 0.0)
    trained = [one for one in signals if not one.frozen]
    state = "both" if 0 < len(trained) < len(signals) else "trains" if trained else "frozen"
    return Cell(
        state,
        max((one.lr for one in trained), default=0.0),
        _mean(one.grad_norm for one in trained),
        _mean(one.update_ratio for one in trained),
    )


def _mean(values: Iterable[float]) -> float:
    every = [*values]
    return sum(every) / len(every) if every else 0.0
