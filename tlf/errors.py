"""Everything that can go wrong, as a tree.

    TlfError                 anything that a user can cause; the command line exits with code 2
    ├── RecipeError          the recipe or an override is wrong; holds every problem at once
    ├── PluginError          a plugin cannot be loaded, clashes, or one of its components broke
    ├── DataError            images or labels are missing, unreadable or do not fit together
    ├── WeightsError         weights are missing, cannot be fetched, or do not fit the model
    ├── RunError             a run folder cannot be made, read or resumed
    ├── StoppedError         a person or a batch system asked the run to stop
    └── TrainingError        training cannot continue
        ├── FrozenMovedError     a frozen tensor changed
        └── NotFiniteError       a loss, logit, weight or statistic is no finite number

Every message names the thing, says what is wrong and what to write instead.
"""

from collections.abc import Sequence
from difflib import get_close_matches


class TlfError(Exception):
    """Anything that a user can cause and fix. Shown without a traceback."""


class RecipeError(TlfError):
    """The recipe or an override is wrong. ``problems`` holds one sentence for each mistake."""

    def __init__(self, problems: Sequence[str], source: str = "recipe") -> None:
        self.problems = tuple(problems)
        self.source = source
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {p}" for p in self.problems)]))


class PluginError(TlfError):
    """A plugin cannot be loaded, clashes with another, or one of its components broke."""


class DataError(TlfError):
    """Images or labels are missing, unreadable, or do not fit together."""


class WeightsError(TlfError):
    """Weights are missing, cannot be fetched, or do not fit the model."""


class RunError(TlfError):
    """A run folder cannot be made, read or resumed."""


class StoppedError(TlfError):
    """A person (Ctrl-C) or a batch system asked the run to stop; its state is stored."""

    def __init__(self, folder: object, by: str) -> None:
        self.by = by
        super().__init__(f"stopped by {by}; resume with: tlf resume {folder}")


class TrainingError(TlfError):
    """Training cannot continue."""


class FrozenMovedError(TrainingError):
    """A tensor that was frozen changed."""


class NotFiniteError(TrainingError):
    """A loss, logit, weight or statistic is no longer a finite number."""


def nearest(name: str, known: Sequence[str]) -> str:
    """Name the known name that was probably meant, and list all of them if they are few.

    >>> nearest("lineer", ["linear", "mlp"])
    "did you mean 'linear'? Known: linear, mlp"
    >>> nearest("xyz", ["linear", "mlp"])
    'Known: linear, mlp'
    """
    ordered = sorted(known)
    close = get_close_matches(name, ordered, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    shown = ordered if len(ordered) <= 24 else get_close_matches(name, ordered, n=5, cutoff=0.3)
    listing = "Known: " + ", ".join(shown) if len(ordered) <= 24 else "Near: " + ", ".join(shown)
    return guess + (listing if shown else f"{len(ordered)} names are known")
