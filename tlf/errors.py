"""Everything that can go wrong, as a tree.

    TlfError                 anything that a user can cause; the command line exits with code 2
    ├── RecipeError          the recipe or an override is wrong; holds every problem at once
    ├── PluginError          a plugin cannot be loaded, clashes, or one of its components broke
    ├── DataError            images or labels are missing, unreadable or do not fit together
    │   └── StorageError         what holds many images cannot be read, or has changed
    ├── WeightsError         weights are missing, cannot be fetched, or do not fit the model
    ├── RunError             a run folder cannot be made, read or resumed
    │   └── UnwritableError      a file cannot be written: the disk is full, the folder is gone
    ├── StoppedError         a person or a batch system asked the run to stop
    ├── OutputError          what a command prints cannot be written
    └── TrainingError        training cannot continue
        ├── FrozenMovedError     a frozen tensor changed
        └── NotFiniteError       a loss, logit, weight or statistic is no finite number

A TlfWarning is no error: what was asked for is done.

Every message names the thing, says what is wrong and what to write instead.
"""

from collections.abc import Sequence
from copyreg import __newobj__ as new_object  # type: ignore[attr-defined]
from difflib import get_close_matches
from typing import Any


class TlfWarning(UserWarning):
    """What a person should know, and nothing stops for. The command line shows it as a note."""


class TlfError(Exception):
    """Anything that a user can cause and fix. Shown without a traceback."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its message and attributes: a process pool sends errors back, and Python would
        call ``__init__`` with the message alone.
        """
        return new_object, (type(self), *self.args), self.__dict__


class RecipeError(TlfError):
    """The recipe or an override is wrong. ``problems`` holds one sentence for each mistake."""

    def __init__(self, problems: Sequence[str], source: str = "recipe") -> None:
        self.problems = tuple(problems)
        self.source = source
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(itemized(f"{source}: {count}", self.problems))


class PluginError(TlfError):
    """A plugin cannot be loaded, clashes with another, or one of its components broke."""


class DataError(TlfError):
    """Images or labels are missing, unreadable, or do not fit together."""


class StorageError(DataError):
    """What holds many images cannot be read, or has changed: no image is at fault, and none may be
    left out for it.
    """


class WeightsError(TlfError):
    """Weights are missing, cannot be fetched, or do not fit the model."""


class RunError(TlfError):
    """A run folder cannot be made, read or resumed."""


class UnwritableError(RunError):
    """A file cannot be written: the disk is full, or its folder is gone."""


class StoppedError(TlfError):
    """A person (Ctrl-C) or a batch system asked the run to stop. ``advice``: how to go on, where
    its state could not be stored.
    """

    def __init__(self, folder: object, by: str, advice: str | None = None) -> None:
        self.by = by
        advice = advice or f"resume with: tlf resume {in_shell(folder)}"
        super().__init__(f"stopped by {by}; {advice}")


class OutputError(TlfError):
    """What a command prints cannot be written. ``unread``: its reader has ended (``| head``)."""

    def __init__(self, error: OSError) -> None:
        self.unread = isinstance(error, BrokenPipeError)
        super().__init__(
            f"stdout must take what is printed, got: {error.strerror}; write it to another place"
        )


class TrainingError(TlfError):
    """Training cannot continue."""


class FrozenMovedError(TrainingError):
    """A tensor that was frozen changed."""


class NotFiniteError(TrainingError):
    """A loss, logit, weight or statistic is no longer a finite number."""


MOST_LISTED = 50
"""An error lists so many problems at most."""

LONGEST_GUESSED = 100
"""A longer name is compared with no other: nobody misspells it."""


def itemized(title: str, problems: Sequence[object]) -> str:
    r"""A title, and below it a line for each problem; of very many, the first ones.

    >>> itemized("2 problems", ["one", "two"])
    '2 problems\n  one\n  two'
    """
    more = len(problems) - MOST_LISTED
    lines = [f"  {problem}" for problem in problems[:MOST_LISTED]]
    return "\n".join([title, *lines, *([f"  … and {more} more"] if more > 0 else [])])


MOST_KNOWN = 38
"""Names that an error lists at most: as many as a recipe has keys, and a few more."""


def in_shell(path: object) -> str:
    """A path as a person may paste it into a command: in quotes, where a shell needs them.

    >>> in_shell("runs/a"), in_shell("my runs/a")
    ('runs/a', "'my runs/a'")
    """
    import shlex  # a head is loaded without it

    return shlex.quote(str(path))


def require(*modules: str, extra: str) -> None:
    """Check that the packages of an extra of tlf are installed.

    Raises:
        RunError: some are not; lists them, and says what to install.
    """
    from importlib.util import find_spec  # a head is loaded without it

    if missing := [module for module in modules if find_spec(module) is None]:
        what = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        raise RunError(f"{what}; write: pip install 'tlf[{extra}]'")


def nearest(name: str, known: Sequence[str]) -> str:
    """Name the known name that was probably meant, and list all of them if they are few.

    >>> nearest("lineer", ["linear", "mlp"])
    "did you mean 'linear'? Known: linear, mlp"
    >>> nearest("xyz", ["linear", "mlp"])
    'Known: linear, mlp'
    """
    ordered = sorted(known)
    named = name if len(name) <= LONGEST_GUESSED else ""
    close = get_close_matches(named, ordered, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    few = len(ordered) <= MOST_KNOWN
    shown = ordered if few else get_close_matches(named, ordered, n=5, cutoff=0.3)
    listing = f"{'Known' if few else 'Near'}: {', '.join(shown)}"
    return guess + (listing if shown else f"{len(ordered)} names are known")
