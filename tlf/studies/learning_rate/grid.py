"""The learning rates that are tried, and what a recipe says to use one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tlf.errors import RecipeError, nearest
from tlf.recipe.plan import Plan
from tlf.recipe.schema import Phase
from tlf.runtime.strict_json import dumps

POINTS = 13
"""Rates of a grid: six to each side of the recipe's own, each √10 times the one before it."""
MOST = 1e30
"""The highest rate that a recipe can say."""


@dataclass(frozen=True)
class Limits:
    """The lowest and the highest rate that is tried."""

    low: float
    high: float


def limits(rates: Sequence[float] | None) -> Limits | None:
    """The limits that a person gave; None where there are none.

    Raises:
        RecipeError: they are no limits.
    """
    if rates is None:
        return None
    shown = " ".join(map(str, rates))
    must = "be two, the lowest and the highest, with the lower one first"
    if len(rates) == 2 and min(rates) <= 0:
        must = "be above 0"
    elif len(rates) == 2 and not all(rate <= MOST for rate in rates):  # or no number at all
        must = f"be at most {MOST:g}"
    elif len(rates) == 2 and rates[0] < rates[1]:
        return Limits(*rates)
    problem = f"rates must {must}, got {shown}; write --rates 1e-4 1, for example"
    raise RecipeError([problem], "lr")


def chosen_phases(plan: Plan, name: str | None) -> tuple[Phase, ...]:
    """The phases of a recipe, or the one of a name.

    Raises:
        RecipeError: there is none of this name.
    """
    every = plan.recipe.phases
    found = tuple(phase for phase in every if name in (None, phase.name))
    if not found:
        known = nearest(str(name), [phase.name for phase in every])
        raise RecipeError([f"phase must be one of the recipe, got {name!r}; {known}"], plan.source)
    return found


def grid(own: float, between: Limits | None = None) -> tuple[float, ...]:
    """The rates that are tried, the lowest first. The recipe's own is one of them.

    >>> grid(0.01)[:3], grid(0.01)[6], len(grid(0.01))
    ((1e-05, 3.2e-05, 0.0001), 0.01, 13)
    >>> grid(0.02, Limits(0.01, 0.1))[:4]
    (0.01, 0.012, 0.015, 0.018)

    Parameters:
        own: the recipe's rate.
        between: the limits of others; None: six steps of √10 to each side of it.
    """
    if between is None:
        tried = [short(own * 10 ** (n / 2)) for n in range(-(POINTS // 2), POINTS // 2 + 1) if n]
    else:
        inner = spaced(between, POINTS)[1:-1]
        tried = [between.low, *map(short, inner), between.high]
    return tuple(sorted({own, *(rate for rate in tried if 0 < rate <= MOST)}))


def spaced(between: Limits, count: int) -> list[float]:
    """So many rates, each the same factor above the one before it."""
    factor = (between.high / between.low) ** (1 / (count - 1))
    return [between.low * factor**n for n in range(count)]


def short(rate: float) -> float:
    """A rate as a recipe says it: to two digits.

    >>> short(0.0316227766)
    0.032
    """
    return float(f"{rate:.2g}")


def at_rate(phase: Phase, own: float, rate: float) -> Phase:
    """A phase whose highest learning rate is another one: what its rates are to each other stays.

    Parameters:
        phase: the phase.
        own: its highest rate.
        rate: what it becomes.
    """
    if rate == own:
        return phase
    factor, matching = rate / own, phase.lr_matching
    lr: float | dict[str, float] = (
        _times(phase.lr, factor) if isinstance(phase.lr, Mapping) else short(phase.lr * factor)
    )
    return replace(phase, lr=lr, lr_matching=None if matching is None else _times(matching, factor))


def _times(rates: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: short(rate * factor) for name, rate in rates.items()}


def recipe_lines(phase: Phase) -> tuple[str, ...]:
    """What the table of a phase says about its rates.

    >>> from tlf.builtin.schedulers import Constant
    >>> phase = Phase(name="all", freeze=(), epochs=1, lr={"head": 0.1, "layer4.1": 0.01},
    ...               scheduler=Constant())
    >>> recipe_lines(at_rate(phase, 0.1, 0.032))
    ('lr = { head = 0.032, "layer4.1" = 0.0032 }',)
    """
    lr = phase.lr
    lines = [f"lr = {lr:g}" if isinstance(lr, float | int) else f"lr = {_inline(lr)}"]
    if phase.lr_matching is not None:
        lines.append(f"lr_matching = {_inline(phase.lr_matching)}")
    return tuple(lines)


def _inline(rates: Mapping[str, float]) -> str:
    return f"{{ {', '.join(f'{toml_key(name)} = {rate:g}' for name, rate in rates.items())} }}"


def toml_key(name: str) -> str:
    """A key as TOML has it: in quotes, where it is not bare.

    >>> toml_key("layer4"), toml_key("layer4.1")
    ('layer4', '"layer4.1"')
    """
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else dumps(name)
