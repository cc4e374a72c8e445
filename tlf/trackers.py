"""What a tracker is: a tool such as TensorBoard or MLflow that shows the figures of runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Value = str | int | float | bool
Outcome = Literal["finished", "stopped", "failed"]
"""How a run has ended: with its last epoch, by somebody who stopped it, or with an error."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run before it trains."""

    folder: str
    """Its folder, as an absolute path."""
    name: str
    """The name of its folder."""
    config: Mapping[str, Value]
    """Its recipe: dotted key → value, such as ``phases.0.lr`` → 0.1."""
    id: str | None = None
    """By which the tracker knows it already; None for a run that is new to it."""
    epochs: int = 0
    """How many epochs are finished: more than 0 where the run is resumed."""
    logged: int = 0
    """Of how many epochs the tracker was given figures. A run that was killed trains the last ones
    again where it had stored no state after them."""


class OpenTracker(Protocol):
    """A run at its tracker. What fails in it does not end the run."""

    @property
    def id(self) -> str:
        """By which the tracker finds the run again, in another process."""

    @property
    def last(self) -> int:
        """The last step that it has figures of; 0 if there is none, or if it wants all again."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Keep figures of a step. Epochs are counted over all phases: the first is step 1."""

    def end(self, outcome: Outcome) -> None:
        """Write what is not written yet, and close the run."""


class Tracker(Protocol):
    """Opens a run at a tool that shows it. Its class may say in ``packages``, which is no option,
    what has to be installed: names that are imported.
    """

    def open(self, run: TrackedRun) -> OpenTracker:
        """Begin to track a new run, or take up one that has an ``id``. A ValueError says what a
        user can fix.
        """
