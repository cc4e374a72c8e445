"""Epochs of two runs in turns of about a second, in a process each.

A machine that others use is faster in one minute than in the next, by more than what two runs
differ in. Turns as short as these see the same moments.

    python tests/benchmarks/turns.py EPOCHS RECIPE [KEY=VALUE …]

trains, and after every EPOCHS epochs prints their mean seconds and waits for a line."""

import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Compared:
    """Mean epochs of two runs, turn by turn."""

    one: list[float]
    other: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as long the other's epochs took."""
        return [b / a for a, b in zip(self.one, self.other, strict=True)]

    def told(self) -> str:
        """One line for a person, with the standard error of the mean ratio.

        >>> Compared([1.0, 2.0], [10.0, 18.0]).told()
        '1.500 → 14.000 s, 9.50 ± 0.50 times as long (2 turns)'
        """
        one, other = statistics.mean(self.one), statistics.mean(self.other)
        error = statistics.stdev(self.ratios) / len(self.ratios) ** 0.5
        return (
            f"{one:.3f} → {other:.3f} s, {statistics.mean(self.ratios):.2f} ± {error:.2f} times as "
            f"long ({len(self.ratios)} turns)"
        )


class Trainee:
    """A run that trains when it is its turn."""

    def __init__(self, recipe: list[str], epochs: int, environment: Mapping[str, str]) -> None:
        """Start, and make the first turn: whatever is done only once is in it."""
        command = [sys.executable, __file__, str(epochs), *recipe]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        self._told()

    def turn(self) -> float:
        """Train; give the mean seconds of an epoch."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._told()

    def end(self) -> None:
        """Make no more turns."""
        self.process.communicate()

    def _told(self) -> float:
        assert self.process.stdout
        if not (line := self.process.stdout.readline()):
            raise SystemExit("a run ended before its last turn")
        return float(line)


def train_in_turn(one: Trainee, other: Trainee, turns: int) -> Compared:
    """Let two runs train in turn: the first before and after each turn of the other's."""
    found = Compared([], [])
    for _ in range(turns):
        before, between, after = one.turn(), other.turn(), one.turn()
        found.one.append((before + after) / 2)
        found.other.append(between)
    for trainee in (one, other):
        trainee.end()
    return found


def train(epochs: int, recipe: Path, overrides: list[str]) -> None:
    """Train in turns, until nobody asks for another."""
    from tlf import EpochResult, run

    seconds: list[float] = []
    for event in run(recipe, overrides):
        if isinstance(event, EpochResult):
            seconds.append(event.seconds)
            if len(seconds) == epochs:
                print(statistics.mean(seconds), flush=True)
                seconds.clear()
                if not sys.stdin.readline():
                    return


if __name__ == "__main__":
    train(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
