"""Metrics: how the figures of an evaluation are named, compared and shown."""

from dataclasses import dataclass


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

    def shown(self, figure: float) -> str:
        """A figure for a person.

        >>> Metric("top1", "top-1", higher_is_better=True, is_rate=True).shown(0.875)
        '87.50%'
        """
        return f"{figure:.2%}" if self.is_rate else f"{figure:.4f}"


LOSS = Metric("loss", "loss", higher_is_better=False, is_rate=False)
"""The loss, which is part of every evaluation."""
