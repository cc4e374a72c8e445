"""Schedulers: the factor by which every learning rate is multiplied at an update.

The ``n`` updates of a phase are counted from 0. The first ``w = round(warmup * n)`` are the
warm-up. Its factor at update ``u`` is ``(u + 1) / (w + 1)``: the first update already trains, and
the first update after the warm-up has the full rate. A falling schedule takes the other ``n - w``
updates. It would reach its end at update ``n``, one after the last.
"""

import math
from dataclasses import dataclass

from tlf.hookspecs import hookimpl
from tlf.results import Progress, plateaus


@dataclass(frozen=True)
class Constant:
    """The learning rate stays the same.

    >>> Constant().factor(Progress(epoch=3, epochs=4))
    1.0
    """

    warmup: float = 0.0
    """Fraction of the phase in which the rate rises linearly to its full value."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_warmup(self.warmup)

    def factor(self, progress: Progress) -> float:
        """1, after the warm-up."""
        return _ramp(progress, self.warmup)


@dataclass(frozen=True)
class Linear:
    """The learning rate falls in a straight line.

    >>> Linear().factor(Progress(epoch=3, epochs=4))
    0.25
    """

    end: float = 0.0
    """The factor that it falls to."""
    warmup: float = 0.0
    """Fraction of the phase in which the rate rises linearly to its full value."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_factor("end", self.end)
        _check_warmup(self.warmup)

    def factor(self, progress: Progress) -> float:
        """From 1 to ``end``, after the warm-up."""
        done = _done(progress, self.warmup)
        return _ramp(progress, self.warmup) * (1 + (self.end - 1) * done)


@dataclass(frozen=True)
class Cosine:
    """The learning rate falls along half a cosine: slowly at the start and at the end.

    Source: Loshchilov & Hutter 2016, arXiv:1608.03983, without restarts.

    >>> round(Cosine().factor(Progress(epoch=1, epochs=2)), 6)
    0.5
    """

    end: float = 0.0
    """The factor that it falls to."""
    warmup: float = 0.0
    """Fraction of the phase in which the rate rises linearly to its full value."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_factor("end", self.end)
        _check_warmup(self.warmup)

    def factor(self, progress: Progress) -> float:
        """From 1 to ``end``, after the warm-up."""
        done = _done(progress, self.warmup)
        return _ramp(progress, self.warmup) * _half_cosine(1, self.end, done)


@dataclass(frozen=True)
class Step:
    """The learning rate drops every few epochs. Epochs of the warm-up count, too.

    >>> round(Step(every=2).factor(Progress(epoch=4, epochs=6)), 6)
    0.01
    """

    every: int = 1
    """How many epochs pass from one drop to the next."""
    gamma: float = 0.1
    """What a drop multiplies the rate by."""
    warmup: float = 0.0
    """Fraction of the phase in which the rate rises linearly to its full value."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_least("every", self.every, 1)
        _check_gamma(self.gamma)
        _check_warmup(self.warmup)

    def factor(self, progress: Progress) -> float:
        """``gamma`` to the power of the drops so far, times the warm-up."""
        return _ramp(progress, self.warmup) * float(self.gamma ** (progress.epoch // self.every))


@dataclass(frozen=True)
class OneCycle:
    """The learning rate rises from a fraction to its full value and falls to almost nothing.

    It rises and falls along half cosines. The rise is its warm-up. The phase's ``lr`` is the
    highest rate.

    Source: Smith & Topin 2017, arXiv:1708.07120; defaults as in torch's ``OneCycleLR``.

    >>> OneCycle().factor(Progress(epoch=2, epochs=10))
    1.0
    """

    peak_at: float = 0.3
    """Fraction of the phase after which the rate is highest."""
    start_div: float = 25.0
    """The first rate is the highest rate divided by this."""
    end_div: float = 1e4
    """The last rate is the first rate divided by this."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 < self.peak_at < 1:
            raise ValueError(f"peak_at must be between 0 and 1, got {self.peak_at}")
        for name, value in (("start_div", self.start_div), ("end_div", self.end_div)):
            if not 1 <= value < math.inf:
                raise ValueError(f"{name} must be finite and 1 or more, got {value}")

    def factor(self, progress: Progress) -> float:
        """From ``1 / start_div`` to 1, to ``1 / (start_div * end_div)`` at the last update."""
        update, total = _position(progress)
        peak, last = max(0.0, self.peak_at * total - 1), max(1, total - 1)
        first = 1 / self.start_div
        if update < peak:
            return _half_cosine(first, 1, update / peak)
        return _half_cosine(1, first / self.end_div, (update - peak) / (last - peak))


@dataclass(frozen=True)
class Plateau:
    """The learning rate drops when the monitored metric stops improving.

    A drop restarts the count of epochs. It is torch's ``ReduceLROnPlateau`` with ``threshold = 0``,
    except that torch's ``patience`` is one less: torch drops after more than ``patience`` epochs.

    >>> Plateau().factor(Progress(epoch=0, epochs=10))
    1.0
    """

    patience: int = 2
    """How many epochs in a row without a new best value lead to a drop."""
    gamma: float = 0.1
    """What a drop multiplies the rate by."""
    min_factor: float = 0.0
    """The factor does not fall below this."""
    warmup: float = 0.0
    """Fraction of the phase in which the rate rises linearly to its full value."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_least("patience", self.patience, 1)
        _check_gamma(self.gamma)
        _check_factor("min_factor", self.min_factor)
        _check_warmup(self.warmup)

    def factor(self, progress: Progress) -> float:
        """``gamma`` to the power of the drops so far, times the warm-up."""
        drops = plateaus(progress.history, progress.monitor, self.patience)
        return _ramp(progress, self.warmup) * max(self.min_factor, float(self.gamma**drops))


def _position(progress: Progress) -> tuple[int, int]:
    """How many updates of the phase are done, and how many it has.

    >>> _position(Progress(epoch=1, epochs=4, update=5, updates=10))
    (15, 40)
    """
    return (
        progress.epoch * progress.updates + progress.update,
        progress.epochs * progress.updates,
    )


def _ramp(progress: Progress, warmup: float) -> float:
    """The factor of the warm-up: 1 once it is over.

    >>> [_ramp(Progress(epoch=0, epochs=1, update=u, updates=6), 0.5) for u in range(4)]
    [0.25, 0.5, 0.75, 1.0]
    """
    update, total = _position(progress)
    return min(1.0, (update + 1) / (round(warmup * total) + 1))


def _done(progress: Progress, warmup: float) -> float:
    """Which fraction of the updates after the warm-up is done: 0 during the warm-up.

    >>> [_done(Progress(epoch=0, epochs=1, update=u, updates=4), 0.5) for u in range(4)]
    [0.0, 0.0, 0.0, 0.5]
    """
    update, total = _position(progress)
    warm = round(warmup * total)
    return max(0, update - warm) / max(1, total - warm)


def _half_cosine(start: float, end: float, done: float) -> float:
    """From ``start`` to ``end``.

    >>> _half_cosine(1, 0, 0.0), _half_cosine(1, 0, 1.0)
    (1.0, 0.0)
    """
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def _check_warmup(warmup: float) -> None:
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup must be a fraction from 0 to below 1, got {warmup}")


def _check_factor(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a factor from 0 to 1, got {value}")


def _check_gamma(gamma: float) -> None:
    if not 0 < gamma <= 1:
        raise ValueError(f"gamma must be a factor above 0 and up to 1, got {gamma}")


def _check_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name} must be {least} or more, got {value}")


@hookimpl
def tlf_schedulers() -> dict[str, type]:
    """Offer the schedulers."""
    return {
        "constant": Constant,
        "linear": Linear,
        "cosine": Cosine,
        "step": Step,
        "one-cycle": OneCycle,
        "plateau": Plateau,
    }
