"""Rules of every component and its options, broken by schedulers, the shortest components."""

from collections.abc import Callable
from dataclasses import dataclass

from broken.rules import Rules

RULES = Rules()


@RULES.broken("is not frozen; write @dataclass(frozen=True)")
@dataclass
class Thawed:
    def factor(self, progress):
        return 1.0


@RULES.broken("has no method factor")
@dataclass(frozen=True)
class Verbless:
    rate: float = 1.0


@RULES.broken("cannot be loaded: its option 'shape' has the type Callable", shape=lambda x: x)
@dataclass(frozen=True)
class Callback:
    shape: Callable[[float], float]

    def factor(self, progress):
        return 1.0


@RULES.broken("comes back from a recipe as", low=0.1)
@dataclass(frozen=True)
class Drifting:
    low: float = 0.1

    def __post_init__(self):
        object.__setattr__(self, "low", self.low * 0.5)

    def factor(self, progress):
        return 1.0
