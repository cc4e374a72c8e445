"""The result of ``tlf soup``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.notebook import Printed
from tlf.tasks import DEFAULT, TASKS
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from tlf.metrics.figures import Figure
    from tlf.metrics.multi_label.comparison import AnyComparison

GREEDY, UNIFORM = "greedy", "uniform"
"""The kinds of soups."""
FOLDER = Path("soups")
"""Where soups are written, under the name of their kind, unless a folder is named."""


@dataclass(frozen=True)
class Tried:
    """A run that was tried for a soup."""

    run: str
    """Its folder."""
    accuracy: "Figure"
    """The main metric of the run alone, with an interval."""
    kept: bool
    """Whether it is in the soup."""
    with_it: float | None = None
    """The accuracy of the soup with it; None where nothing was chosen by it."""


@dataclass(frozen=True)
class Soup(Printed):
    """The mean of several runs' weights. ``print`` shows it as the command line does."""

    folder: Path
    """It is used as the folder of a run."""
    kind: str
    """``greedy`` or ``uniform``."""
    data: str
    """What the images are."""
    images: int
    """How many they are."""
    tried: tuple[Tried, ...]
    """The runs, the most accurate first."""
    accuracy: "Figure"
    """The main metric of the soup, with an interval."""
    comparison: "AnyComparison"
    """The best run against the soup, image by image."""
    own_images: bool = True
    """Whether the images are the runs' own eval split."""
    left_out: tuple[str, ...] = ()
    """Which images no figure is about, and why: one sentence each."""
    metric: Metric = TASKS[DEFAULT].metrics[0]
    """The main metric of its task."""
    cautions: tuple[str, ...] = ()
    """What somebody should know who quotes the figures, such as that runs have trained on the
    images: one sentence each."""

    @property
    def kept(self) -> tuple[Tried, ...]:
        """The runs that are in the soup."""
        return tuple(one for one in self.tried if one.kept)

    def lines(self) -> Iterator[str]:
        """The table, as ``tlf soup`` prints it."""
        from tlf.studies.soup.summary import lines

        return lines(self)
