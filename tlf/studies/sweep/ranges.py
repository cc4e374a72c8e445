"""What a sweep varies: ``KEY=LOW..HIGH`` and ``KEY=A,B,C``. Any other value is an override."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from tlf.errors import RecipeError
from tlf.recipe.overrides import given_keys, key_parts, value_at
from tlf.recipe.plan import Plan, plan_of
from tlf.recipe.tables import table
from tlf.recipe.values import shortened
from tlf.tasks import monitors

LOG_FROM = 100
"""Ends that differ by this factor or more make a range logarithmic."""

FIXED = {
    "seed": "tlf compare tells how much a seed matters",
    "output": "--output names the folder of the study",
    "keep_state": "trials keep no state",
    "report": "trials write no report",
    "monitor": "it is what trials are compared by",
    "metrics": "all trials are measured alike",
    "task": "all trials are measured alike",
    "data": "all trials are evaluated on the same images",
}
"""Keys that a sweep cannot vary → why."""

_DECIDED_BY = {"eval_loss": ("loss",), "train_loss": ("loss", "augment", "sampler")}
"""Monitor → the parts of a recipe that decide what its figures mean."""

_NUMBER = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?::(log|linear))?")
_EXAMPLE = "1e-4..1e-1"

Value: TypeAlias = str | int | float
"""What a trial sets: a number of a range, or a choice as it is written."""


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, which belong to it."""

    key: str
    low: float
    high: float
    log: bool
    """Whether equal factors count alike, instead of equal distances."""
    whole: bool = False

    def __str__(self) -> str:
        """As the command line has it.

        >>> str(Range("lr", 1e-4, 0.1, log=True)), str(Range("epochs", 2, 9, False, whole=True))
        ('0.0001..0.1:log', '2..9:linear')
        """
        return f"{self.low!r}..{self.high!r}:{'log' if self.log else 'linear'}"

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that show whether all between them fit."""
        return self.low, self.high


@dataclass(frozen=True)
class Choices:
    """Values as TOML, or as bare words."""

    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        """As the command line has it."""
        return ",".join(self.values)

    @property
    def ends(self) -> tuple[Value, ...]:
        """All of them."""
        return self.values


Varied: TypeAlias = Range | Choices


def settings(values: Mapping[str, Value]) -> list[str]:
    """The settings of a trial as overrides of the recipe.

    >>> settings({"phases.0.lr": 1e-05, "optimizer": "adamw"})
    ['phases.0.lr=1e-05', 'optimizer=adamw']
    """
    return [
        f"{key}={value if isinstance(value, str) else repr(value)}" for key, value in values.items()
    ]


def with_ranges(
    plan: Plan, arguments: Sequence[str]
) -> tuple[Plan, tuple[Varied, ...], tuple[str, ...]]:
    """The recipe with the overrides among the arguments, what the others vary, and the overrides.

    Parameters:
        plan: the recipe.
        arguments: ``key=low..high``, ``key=a,b,c`` and ``key=value``.

    Raises:
        RecipeError: names every range and every end that does not fit the recipe.
    """
    overrides, varied, problems = [], [], []
    for argument in arguments:
        try:
            found = _read(argument)
        except ValueError as error:
            problems.append(f"{shortened(argument)}: {error}")
            continue
        if found is None:
            overrides.append(argument)
        else:
            varied.append(found)
    if not varied and not problems:
        problems.append(f"a sweep must vary something; write phases.0.lr={_EXAMPLE}, for example")
    if problems:
        raise RecipeError(problems, "sweep")
    base = plan_of(plan, overrides)
    return base, _checked(base, varied, overrides), tuple(overrides)


def _read(argument: str) -> Varied | None:
    """What an argument varies; None where it is an override.

    >>> _read("lr=1e-3..0.1"), _read("optimizer=sgd,adamw"), _read("data.root=../images")
    (Range(key='lr', low=0.001, high=0.1, log=True, whole=False), Choices(...), None)

    Raises:
        ValueError: it looks like a range and is none.
    """
    key, _, text = argument.partition("=")
    parts, match = _parts(text), _RANGE.fullmatch(text.strip())
    if match or len(parts) > 1:
        key_parts(key)  # raises where it is no key
        return _range(key, *match.groups()) if match else _choices(key, parts)
    if ".." in text and not re.search(r"[/\\\"'\[{]", text) and text.strip() != "..":
        raise ValueError(
            f"a range must be two numbers, LOW..HIGH, and :log or :linear may follow; write "
            f"{key}={_EXAMPLE}, or a string in quotes"
        )
    return None


def _range(key: str, first: str, last: str, scale: str | None) -> Range:
    low, high = _number(first), _number(last)
    if low == high:
        raise ValueError(f"a range must have two different ends; write {key}={first} for one value")
    if low > high:
        raise ValueError(f"a range must begin with its lower end; write {key}={last}..{first}")
    if scale == "log" and low <= 0:
        raise ValueError("a logarithmic range must be above 0; write a higher end, or :linear")
    log = low > 0 and high / low >= LOG_FROM if scale is None else scale == "log"
    return Range(key, low, high, log)


def _number(text: str) -> float:
    return float(text) if re.search("[.eE]", text) else int(text)


def _choices(key: str, parts: Sequence[str]) -> Choices:
    if not all(parts):
        raise ValueError("a choice must be a value, got none beside a comma; remove the comma")
    if twice := next((part for part in parts if parts.count(part) > 1), None):
        raise ValueError(f"choices must differ, got {shortened(twice, 60)} twice; remove one")
    return Choices(key, tuple(parts))


def _parts(text: str) -> list[str]:
    """A text divided at commas that stand in no quotes and no brackets.

    >>> _parts("sgd, {kind='adamw', betas=[0.9, 0.99]}"), _parts("'a,b'")
    (['sgd', "{kind='adamw', betas=[0.9, 0.99]}"], ["'a,b'"])
    """
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter in "[{") - (letter in "]}")
        if letter == "," and not quote and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _checked(base: Plan, varied: Sequence[Varied], overrides: Sequence[str]) -> tuple[Varied, ...]:
    """The same, as far as the recipe takes it, with whole numbers where it needs them.

    Raises:
        RecipeError: it does not.
    """
    first = {one.key: one.ends[0] for one in varied}
    problems = dict.fromkeys([*_fixed(varied), *_incomparable(base, varied)])
    found: list[Varied] = []
    for one in varied:
        whole = False
        for end in one.ends:
            try:
                tried = plan_of(base, settings({**first, one.key: end}))
            except RecipeError as error:
                problems |= dict.fromkeys(error.problems)
                break  # the others may have the same fault
            held = value_at(table(tried.recipe, tried.plugins.catalogue), one.key)
            whole = isinstance(held, int)
        found.append(replace(one, whole=whole) if isinstance(one, Range) else one)
    if not problems:
        given = [override.partition("=")[0] for override in overrides]
        problems = dict.fromkeys(_twice(base, [*given, *(one.key for one in varied)]))
    if problems:
        raise RecipeError([*problems], base.source)
    return tuple(found)


def _fixed(varied: Sequence[Varied]) -> Iterator[str]:
    for one in varied:
        if (why := FIXED.get(key_parts(one.key)[0])) is not None:
            yield f"{one.key}: must be the same in all trials: {why}; write {one.key}=VALUE"


def _incomparable(base: Plan, varied: Sequence[Varied]) -> Iterator[str]:
    """A sentence for each key by which the monitored figures of trials would mean different
    things.
    """
    monitor, task = base.recipe.monitor, base.recipe.task
    for one in varied:
        if part_of(one.key) in _DECIDED_BY.get(monitor, ()):
            yield (
                f"{one.key}: must be the same in all trials where monitor is {monitor}, whose "
                f"figures it changes for the same model; write monitor={monitors(task)[0]}"
            )


def same_epochs(varied: Sequence[Varied]) -> bool:
    """Whether all trials have phases of the same epochs, so that they can be compared at each."""
    return not {part_of(one.key) for one in varied} & {"epochs", "phases"}


def part_of(key: str) -> str:
    """The part of a recipe, of its transforms or of a phase that a key is in.

    >>> part_of("loss.gamma"), part_of("phases.head.sampler"), part_of("transforms.augment.0.p")
    ('loss', 'sampler', 'augment')
    """
    first, *others = key_parts(key)
    inside = others[{"phases": 1, "transforms": 0}.get(first, len(others)) :]
    return inside[0] if inside else first


def _twice(base: Plan, keys: Sequence[str]) -> Iterator[str]:
    """A sentence for each key that is given twice: a phase has a number and a name."""
    first: dict[str, str] = {}
    content = table(base.recipe, base.plugins.catalogue)
    for key in keys:
        (found,) = given_keys(content, [f"{key}=0"])
        same = found if found.count(".") == key.count(".") else key  # it sets a new component
        if same in first:
            yield f"{key}: must be given once, got {first[same]}, too; remove one of them"
        first.setdefault(same, key)
