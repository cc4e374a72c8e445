"""Cut a network into ordered stages, from the stem to the top.

A stage is a name and the names of its parameters. Every parameter is in exactly one stage.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

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
"""Children of this name are looked into: what they hold are the stages, not they themselves."""

RESERVED = frozenset({"stem", "backbone", "head"})
"""Names that mean something else wherever a stage can be named."""

Stages = dict[str, tuple[str, ...]]


def cut(module: nn.Module) -> Stages:
    """Cut by one rule, in the order in which the network's modules were registered.

    Matrices are parameters of two or more dimensions: kernels, linear layers, position tables.
    A module with two or more of them is a stage. Neighbours with one each make a stage together,
    until a pooling layer comes between them. Norms belong to the stage before them. The first
    stage is the stem; the others are named after their first module.

    >>> cut(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.Linear(8, 8)))
    {'stem': ('0.weight', '0.bias', '1.weight', '1.bias'), '3': ('3.weight', '3.bias')}
    """
    stages: dict[str, list[str]] = {}
    # Whether the stage being filled takes another layer.
    takes = False
    for name, unit, names in _units(module):
        matrices = _matrices(unit, names, name)
        if not names:
            takes = takes and not _pools(unit)
        elif not stages:
            stages["stem"] = [*names]
            takes = True
        elif matrices == 0 or (matrices == 1 and takes):
            stages[[*stages][-1]].extend(names)
        else:
            stages[name] = [*names]
            takes = matrices == 1
    return {name: tuple(names) for name, names in stages.items()}


def cut_timm(module: nn.Module) -> Stages:
    """Cut a timm network by its own ``group_matcher``, and by ``cut`` where it has none.

    A last group that holds nothing but norms belongs to the stage before it. The first stage is the
    stem; any other is named after the module that holds most of its parameters and no others'.
    """
    groups = _groups(module)
    if groups is None:
        return cut(module)
    parameters = dict(module.named_parameters())
    if len(groups) > 1 and all(parameters[name].ndim < 2 for name in groups[-1]):
        groups[-2:] = [[*groups[-2], *groups[-1]]]
    names = ["stem", *_names(groups)[1:]]
    return {name: tuple(group) for name, group in zip(names, groups, strict=True)}


def _units(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module, list[str]]]:
    """Name, module and parameter names of all that a stage can be made of, in order."""
    for name, _ in module.named_parameters(recurse=False):
        yield prefix + name, module, [prefix + name]
    for name, child in module.named_children():
        if name in TRUNKS and any(True for _ in child.children()):
            yield from _units(child, f"{prefix}{name}.")
        else:
            yield (
                prefix + name,
                child,
                [f"{prefix}{name}.{own}" for own, _ in child.named_parameters()],
            )


def _matrices(unit: nn.Module, names: Sequence[str], prefix: str) -> int:
    if names == [prefix]:
        # A parameter that the network holds itself, such as a class token, joins what is around it.
        return 1
    return sum(parameter.ndim > 1 for parameter in unit.parameters())


def _pools(unit: nn.Module) -> bool:
    return "pool" in type(unit).__name__.lower()


def _groups(module: nn.Module) -> list[list[str]] | None:
    """Parameter names as timm groups them, or None where it has no such groups."""
    from timm.models import group_parameters

    if not hasattr(module, "group_matcher"):
        return None
    try:
        matcher = module.group_matcher(coarse=True)  # type: ignore[operator]
    except (AssertionError, NotImplementedError):
        # RDNet refuses coarse groups; its fine ones are single layers.
        return None
    groups = [[*names] for _, names in sorted(group_parameters(module, matcher).items())]
    # The matchers of some versions match nothing, and put a whole network into one group.
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
    """From the outermost module to the parameter itself.

    >>> _prefixes("a.b.weight")
    ['a', 'a.b', 'a.b.weight']
    """
    parts = name.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]
