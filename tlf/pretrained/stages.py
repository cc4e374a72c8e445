"""Divide a network into ordered stages, from the stem to the top.

A stage is a name and the names of its parameters. Every parameter is in exactly one stage.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

TRUNKS = frozenset(
    [
        "features",
        "layers",
        "blocks",
        "stages",
        "dense_stages",
        "transformers",
        "trunk_output",
        "encoder",
        "classifier",
        "head",
    ]
)
"""Children with these names are no stages themselves; the modules inside them are."""

RESERVED = frozenset({"stem", "backbone", "head"})
"""Names that no other stage may have: they have a meaning of their own in recipes."""

Stages = dict[str, tuple[str, ...]]


def cut(module: "nn.Module") -> Stages:
    """Divide by one rule, in the order in which the network's modules were registered.

    - Matrices are parameters of two or more dimensions: kernels and linear layers. A module with
      two or more of them is a stage.
    - Neighbouring modules with one matrix each are one stage, until images get smaller: by a
      stride, or by a pooling layer between them or in one of them.
    - Norms belong to the stage before them. Parameters of the network itself, such as a position
      table, belong to the stage of their neighbours.
    - The first stage is the stem: the first module, whatever it is, and single layers after it.
      The other stages are named after their first module.
    - If this gives only one stage, as where pooling is a function instead of a module, each module
      with a matrix is a stage.

    >>> from torch import nn
    >>> cut(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.Linear(8, 8)))
    {'stem': ('0.weight', '0.bias', '1.weight', '1.bias'), '3': ('3.weight', '3.bias')}
    """
    units = [*_units(*_unwrapped(module))]
    stages = _filled(units, sharing=True)
    return stages if len(stages) > 1 else _filled(units, sharing=False)


def cut_timm(module: "nn.Module") -> Stages:
    """Divide a timm network by its own ``group_matcher``, or by ``cut`` if it has none.

    A last group that holds only norms belongs to the stage before it. The first stage is the stem.
    Any other is named after the module that holds most of its parameters and none of other stages.
    """
    groups = _groups(module)
    if groups is None:
        return cut(module)
    parameters = dict(module.named_parameters())
    if len(groups) > 1 and all(parameters[name].ndim < 2 for name in groups[-1]):
        groups[-2:] = [[*groups[-2], *groups[-1]]]
    names = ["stem", *_names(groups)[1:]]
    return {name: tuple(group) for name, group in zip(names, groups, strict=True)}


@dataclass(frozen=True)
class _Unit:
    """Parameters that are never divided between stages."""

    name: str
    parameters: tuple[str, ...]
    matrices: int = 0
    begins: bool = False
    """Whether images get smaller before or in its first matrix."""
    ends: bool = False
    """Whether images get smaller after that."""


def _unwrapped(module: "nn.Module", prefix: str = "") -> "tuple[nn.Module, str]":
    """The innermost module that holds all layers, and the prefix of its names."""
    holders = [pair for pair in module.named_children() if any(True for _ in pair[1].parameters())]
    if len(holders) != 1 or any(True for _ in module.parameters(recurse=False)):
        return module, prefix
    ((name, child),) = holders
    whole = not any(True for _ in child.children())
    return (module, prefix) if whole else _unwrapped(child, f"{prefix}{name}.")


def _units(module: "nn.Module", prefix: str = "") -> Iterator[_Unit]:
    """All units of a network, in order."""
    for name, _ in module.named_parameters(recurse=False):
        # A parameter of the network itself, such as a class token, joins its neighbours.
        yield _Unit(prefix + name, (prefix + name,))
    for name, child in module.named_children():
        if name in TRUNKS and any(True for _ in child.children()):
            yield from _units(child, f"{prefix}{name}.")
        else:
            yield _unit(child, prefix + name)


def _unit(module: "nn.Module", name: str) -> _Unit:
    parts = [*module.modules()]
    holding = [number for number, part in enumerate(parts) if _matrices(part, inside=False)]
    first = holding[0] if holding else 0
    return _Unit(
        name,
        tuple(f"{name}.{own}" for own, _ in module.named_parameters()),
        _matrices(module),
        begins=_strides(parts[first]) or any(_pools(part) for part in parts[:first]),
        ends=any(_pools(part) for part in parts[first:]),
    )


def _filled(units: Sequence[_Unit], *, sharing: bool) -> Stages:
    """Put units into stages, in order; ``sharing``: whether several layers may share a stage."""
    stages: dict[str, list[str]] = {"stem": []}
    # Whether the stem has no layer yet, and whether the current stage may get another one.
    bare, takes = True, True
    for unit in units:
        joins = takes and unit.matrices == 1 and not unit.begins
        if not (joins or bare or unit.matrices == 0):
            stages[unit.name] = []
        stages[[*stages][-1]].extend(unit.parameters)
        if unit.matrices:
            takes, bare = sharing and (unit.matrices == 1 or bare), False
        takes = takes and not unit.ends
    return {name: tuple(names) for name, names in stages.items() if names}


def _matrices(module: "nn.Module", *, inside: bool = True) -> int:
    return sum(parameter.ndim > 1 for parameter in module.parameters(recurse=inside))


def _pools(module: "nn.Module") -> bool:
    named = "pool" in type(module).__name__.lower()
    return named and not any(True for _ in module.parameters())


def _strides(module: "nn.Module") -> bool:
    from torch import nn

    return isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and max(module.stride) > 1


def _groups(module: "nn.Module") -> list[list[str]] | None:
    """Parameter names as timm groups them, or None if timm has no groups for this network."""
    from timm.models import group_parameters

    if not hasattr(module, "group_matcher"):
        return None
    try:
        matcher = module.group_matcher(coarse=True)  # type: ignore[operator]
    except (AssertionError, NotImplementedError):
        # RDNet refuses coarse groups; its fine ones are single layers.
        return None
    groups = [[*names] for _, names in sorted(group_parameters(module, matcher).items())]
    # Some matchers match nothing in some versions, and put the whole network into one group.
    return groups if len(groups) > 2 else None


def _names(groups: Sequence[Sequence[str]]) -> list[str]:
    """Name each group after the module that holds most of its parameters and no other group's.

    >>> _names([["a.0.w", "a.1.w"], ["b.0.w", "c.0.w", "c.1.w"], ["b.1.w", "b.2.w", "norm.w"]])
    ['a', 'c', 'b.1']
    """
    owners: Mapping[str, set[int]] = defaultdict(set)
    for index, group in enumerate(groups):
        for name in group:
            for prefix in _prefixes(name):
                owners[prefix].add(index)
    taken = RESERVED | {prefix for prefix, indexes in owners.items() if len(indexes) > 1}
    return [_most(group, taken) for group in groups]


def _most(group: Sequence[str], taken: frozenset[str]) -> str:
    return Counter(
        next(prefix for prefix in _prefixes(name) if prefix not in taken) for name in group
    ).most_common(1)[0][0]


def _prefixes(name: str) -> list[str]:
    """Names from the outermost module to the parameter itself.

    >>> _prefixes("a.b.weight")
    ['a', 'a.b', 'a.b.weight']
    """
    parts = name.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]
