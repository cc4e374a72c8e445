"""Divide images: into a part that is held out and the rest, or into folds. Pure functions of the
images' names, strata and groups, and of a seed.

A stratum is what the parts get in proportion: the images of a class. Where there are groups, each
stays whole, and the proportions are as near as the greedy rule comes: the biggest group first, each
to the part that it brings nearest to its share.
"""

from array import array
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import count

from tlf.data.splits import rank
from tlf.tasks.strata import share

_ALL = object()
"""Stands for all strata together: parts are to get their share of images, too."""

Strata = Sequence[Hashable]


def held_out(
    names: Sequence[str], strata: Strata, fraction: float, seed: int | str, *, keep: int,
    left: Mapping[Hashable, int] | None = None,
) -> set[int]:  # fmt: skip
    """The positions of ``fraction`` of each stratum, and of one image at least, unless fewer than
    ``keep`` would be left of it.

    >>> sorted(held_out("abcdefgh", "xxxxyyyy", 0.25, seed=0, keep=1))
    [2, 6]

    Parameters:
        names: of the images.
        strata: the stratum of each.
        fraction: from 0 to 1.
        seed: what they are drawn from, with their names.
        keep: so many images of each stratum stay.
        left: stratum → its images, of which the fraction is taken; by default those that are here.
    """
    found: set[int] = set()
    for stratum, positions in _by_stratum(strata).items():
        whole = len(positions) if left is None else left[stratum]
        wanted = share(fraction, whole, len(positions) - keep)
        ranked = sorted(positions, key=lambda position: rank(seed, names[position]))
        found.update(ranked[:wanted])
    return found


def in_folds(names: Sequence[str], strata: Strata, folds: int, seed: int | str) -> list[int]:
    """The fold of each image, from 0. Folds differ by one image of a stratum at most, and by one
    image in all.

    >>> in_folds("abcdef", "xxxyyy", 2, seed=0)
    [0, 1, 0, 1, 0, 1]
    """
    fold = [0] * len(names)
    place = count()
    for positions in _by_stratum(strata).values():
        for position in sorted(positions, key=lambda one: rank(seed, names[one])):
            fold[position] = next(place) % folds
    return fold


def dealt(groups: Mapping[str, Sequence[str]], folds: int, seed: int) -> list[set[str]]:
    """Deal the images of every class into folds, as calibration has always done: unlike those of
    ``in_folds``, the first folds get the rest of every class. Which fold an image is in depends
    only on the seed, its name and those of its class.

    >>> [sorted(fold) for fold in dealt({"ant": ["a", "b", "c", "d"], "bee": ["e", "f"]}, 2, 0)]
    [['c', 'd', 'f'], ['a', 'b', 'e']]
    """
    ranked = [sorted({*names}, key=lambda name: rank(seed, name)) for names in groups.values()]
    return [{name for names in ranked for name in names[number::folds]} for number in range(folds)]


def groups_held_out(
    groups: Sequence[str], strata: Strata, fraction: float, seed: int | str
) -> set[int]:
    """The positions of whole groups, of about ``fraction`` of the images: one group at least. There
    have to be two groups.

    >>> sorted(groups_held_out("aabbccdd", "xxyyxxyy", 0.5, seed=0))
    [0, 1, 2, 3]
    """
    part = parted(groups, strata, (1 - fraction, fraction), seed)
    return {position for position, group in enumerate(groups) if part[group] == 1}


def groups_in_folds(
    groups: Sequence[str], strata: Strata, folds: int, seed: int | str
) -> list[int]:
    """The fold of each image, from 0; groups are whole. There have to be as many groups as folds.

    >>> groups_in_folds("aabbccdd", "xxyyxxyy", 2, seed=0)
    [1, 1, 1, 1, 0, 0, 0, 0]
    """
    part = parted(groups, strata, [1 / folds] * folds, seed)
    return [part[group] for group in groups]


def parted(
    groups: Sequence[str], strata: Strata, shares: Sequence[float], seed: int | str
) -> dict[str, int]:
    """Group → its part. Each part gets about its share of every stratum and of all images, and one
    group at least. There have to be as many groups as parts.
    """
    counts: dict[str, Counter[Hashable]] = {}
    for group, stratum in zip(groups, strata, strict=True):
        counts.setdefault(group, Counter()).update((stratum, _ALL))
    totals = Counter(strata) + Counter({_ALL: len(strata)})
    filled: list[Counter[Hashable]] = [Counter() for _ in shares]
    found: dict[str, int] = {}
    for group in sorted(counts, key=lambda one: (-counts[one][_ALL], rank(seed, one))):
        own = counts[group]
        costs = [
            _cost(own, part, share, totals) for part, share in zip(filled, shares, strict=True)
        ]
        found[group] = costs.index(min(costs))
        filled[found[group]].update(own)
    return _none_empty(found, len(shares))


def _cost(
    group: Mapping[Hashable, int], part: Mapping[Hashable, int], share: float,
    totals: Mapping[Hashable, int],
) -> float:  # fmt: skip
    """How much farther from its share a part is with a group: the squared deviation of each
    stratum, over what is expected of it.
    """
    cost = 0.0
    for stratum, images in group.items():
        expected = share * totals[stratum]
        cost += images * (2 * (part.get(stratum, 0) - expected) + images) / expected
    return cost


def _none_empty(found: dict[str, int], parts: int) -> dict[str, int]:
    """The same with a group in each part: the last ones, which are the smallest, move."""
    sizes = Counter(found.values())
    for part in range(parts):
        if not sizes[part]:
            group = next(one for one in reversed(found) if sizes[found[one]] > 1)
            sizes[found[group]] -= 1
            sizes[part] += 1
            found[group] = part
    return found


def _by_stratum(strata: Strata) -> "dict[Hashable, array[int]]":
    """Stratum → the positions of its images."""
    found: dict[Hashable, array[int]] = {}
    for position, stratum in enumerate(strata):
        if stratum not in found:
            found[stratum] = array("i")
        found[stratum].append(position)
    return found
