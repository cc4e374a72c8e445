"""Metrics: how the figures of an evaluation are named, compared and shown."""

from dataclasses import dataclass

_IN_WORDS = {"top1": "the accuracy"}
"""Name → how a sentence calls it, where it is not by its title."""


@dataclass(frozen=True)
class Metric:
    """A figure of an evaluation."""

    name: str
    """Name in code, recipes and files: ``top1``."""
    title: str
    """Name for a person: ``top-1``."""
    higher_is_better: bool
    is_rate: bool
    """Whether it is a fraction from 0 to 1; it is then shown as a percentage."""

    @property
    def in_words(self) -> str:
        """Its name in the middle of a sentence."""
        return _IN_WORDS.get(self.name, self.title)

    @property
    def at_start(self) -> str:
        """Its name at the start of a sentence.

        >>> Metric("top1", "top-1", True, True).at_start, Metric("map", "mAP", True, True).at_start
        ('Top-1', 'mAP')
        """
        return self.title.capitalize() if self.title.islower() else self.title

    def shown(self, figure: float) -> str:
        """A figure for a person.

        >>> Metric("top1", "top-1", higher_is_better=True, is_rate=True).shown(0.875)
        '87.50%'
        """
        return f"{figure:.2%}" if self.is_rate else f"{figure:.4f}"

    def plausible(self, loss: float) -> float:
        """A figure that fits a loss: the better, the lower the loss.

        >>> Metric("f1", "F1", higher_is_better=True, is_rate=True).plausible(0.25)
        0.75
        """
        worse = min(1.0, loss) if self.is_rate else loss
        if self.higher_is_better:
            return 1 - worse if self.is_rate else -worse
        return worse


def metric_name(kind: str) -> str:
    """The name of the metric that a recipe names by its kind.

    >>> metric_name("extras:macro-f1")
    'macro_f1'
    """
    return kind.rpartition(":")[2].replace("-", "_")


LOSS = Metric("loss", "loss", higher_is_better=False, is_rate=False)
"""The loss, which is part of every evaluation."""
