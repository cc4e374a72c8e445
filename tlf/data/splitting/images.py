"""Images that a recipe divides: which of them are test images, and which are eval images."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tlf.components import Splits
from tlf.data.listing.compact import Numbers, chosen
from tlf.data.splits import listed
from tlf.data.splitting.divide import groups_held_out, groups_in_folds, held_out, in_folds
from tlf.errors import DataError
from tlf.tasks import Task

_MOST = 0.95
"""Of what is left: where test groups were larger than asked for, an eval split needs more of it."""


@dataclass(frozen=True)
class Asked:
    """What a recipe asks of the splits of a dataset: the keys of ``[data]`` of the same names."""

    test: float | None = None
    """The fraction that is held out. A split that has a name is in ``Splits.test`` already."""
    folds: int | None = None
    fold: int | None = None
    group: str | None = None
    seed: int = 0
    """What images are drawn from."""
    every_class: bool = True
    """Whether each class has to have eval images."""

    @property
    def anew(self) -> bool:
        """Whether images may be in another split than the dataset has put them in."""
        return (self.test, self.folds, self.group) != (None, None, None)


@dataclass(frozen=True)
class Images:
    """Images that are divided."""

    names: Sequence[str]
    labels: Sequence[Any]
    groups: Sequence[str] | None
    classes: Sequence[str]
    task: Task
    asked: Asked

    @cached_property
    def strata(self) -> Sequence[Hashable]:
        """The stratum of each image: its class; of several classes, the rarest."""
        return self.task.strata(self.labels)

    def tested(self, among: Sequence[int], whole: Sequence[int], *, keep: int) -> set[int]:
        """The positions of the test images, which are drawn from ``among``: a fraction of
        ``whole``. ``keep``: so many images of each class, or so many groups, stay.
        """
        fraction = self.asked.test
        if fraction is None:
            return set()
        if self.groups is not None:
            drawn, every = (chosen(self.groups, part) for part in (among, whole))
            _check_drawn(fraction, drawn, every, keep + 1)
        found = self._held_out(among, whole, fraction, f"{self.asked.seed}/test", keep)
        if not found:
            raise DataError(
                f"data.test = {fraction} holds out no image: it leaves {keep} of each class, and "
                f"no class has {keep + 1}; add images"
            )
        return found

    def evaluated(self, test: Collection[int], fraction: float | None) -> set[int]:
        """The positions of the eval images: a fold, or a fraction of the images; none, where the
        dataset has an eval split of its own.
        """
        rest = Numbers(p for p in range(len(self.names)) if p not in test)
        if self.asked.folds is not None:
            return self._fold(rest, self.asked.folds)
        if fraction is None:
            return set()
        return self._held_out(rest, range(len(self.names)), fraction, self.asked.seed, 1)

    def notes(self, splits: Splits, parts: Mapping[str, Sequence[int]]) -> Iterator[str]:
        """What a person should know: one sentence for each split that was drawn."""
        asked, held_out, every = self.asked, splits.held_out, len(self.names)
        if parts["test"]:
            of = every if held_out else len(splits.train)
            which = f"{asked.test:.0%} of each class{'' if held_out else ' of the train split'}"
            yield f"the test split is {which}: {self._count(parts['test'], of)}"
        if asked.folds is not None:
            whole = "" if held_out else ", dealt from train and eval together"
            which = f"fold {asked.fold} of {asked.folds}{whole}"
            rest = every - len(parts["test"])
            yield f"the eval split is {which}: {self._count(parts['eval'], rest)}"
        elif held_out is not None:
            which = f"{held_out.fraction:.0%} of each class"
            yield f"the eval split is {which}: {self._count(parts['eval'], every)}"

    def _count(self, part: Sequence[int], of: int) -> str:
        """How large a part is, and what it was drawn by."""
        images, drawn = f"{len(part):,} images", f"drawn by data.seed = {self.asked.seed}"
        if self.groups is None:
            return f"{images} ({drawn})"
        groups = len({self.groups[p] for p in part})
        return f"{images}, {len(part) / of:.1%}, in {groups:,} whole groups ({drawn})"

    def _held_out(
        self, among: Sequence[int], of: Sequence[int], fraction: float, seed: int | str, keep: int
    ) -> set[int]:
        """The positions of a fraction of each class.

        Parameters:
            among: where they are drawn from.
            of: what the fraction is of.
            fraction: how much.
            seed: what they are drawn by.
            keep: so many images of each class, or so many groups, stay.
        """
        strata = chosen(self.strata, among)
        if self.groups is None:
            whole = Counter(self.strata[p] for p in of)
            names = chosen(self.names, among)
            found = held_out(names, strata, fraction, seed, keep=keep, left=whole)
        else:
            groups = chosen(self.groups, among)
            _check_enough(groups, keep + 1)
            share = fraction * len(of) / len(among)
            found = groups_held_out(groups, strata, min(share, _MOST), seed)
        return {among[position] for position in found}

    def _fold(self, among: Sequence[int], folds: int) -> set[int]:
        """The positions of the images of the fold that is evaluated."""
        self._check_folds(among, folds)
        seed, strata = f"{self.asked.seed}/folds", chosen(self.strata, among)
        if self.groups is None:
            fold = in_folds(chosen(self.names, among), strata, folds, seed)
        else:
            groups = chosen(self.groups, among)
            fold = groups_in_folds(groups, strata, folds, seed)
        wanted = (self.asked.fold or 1) - 1
        return {p for p, own in zip(among, fold, strict=True) if own == wanted}

    def _check_folds(self, among: Sequence[int], folds: int) -> None:
        """Check that each fold can have an image of each class.

        Raises:
            DataError: there are too many folds.
        """
        what = "images" if self.groups is None else "groups"
        units = self.names if self.groups is None else self.groups
        if (every := _distinct((units[p] for p in among), folds)) < folds:
            raise DataError(
                f"data.folds must be at most the number of {what}, got {folds} and {every}; write "
                f"data.folds = {max(2, every)}"
            )
        pairs = zip(self._of_classes(among), self.classes, strict=True)
        least, name = min((pair for pair in pairs if pair[0]), key=lambda pair: pair[0])
        if least < folds and self.asked.every_class:
            raise DataError(
                f"data.folds must be at most the number of {what} of the smallest class, got "
                f"{folds}, and {name!r} has {least}; write data.folds = {max(2, least)}, "
                'add images, or write data.missing_in_eval = "allow": such a class is then in some '
                "folds only"
            )

    def _of_classes(self, among: Sequence[int]) -> list[int]:
        """The number of images of each class; or of groups that have one."""
        number = len(self.classes)
        if self.groups is None:
            return self.task.class_counts(chosen(self.labels, among), number)
        labels: dict[str, list[Any]] = {}
        for p in among:
            labels.setdefault(self.groups[p], []).append(self.labels[p])
        counts = (self.task.class_counts(own, number) for own in labels.values())
        return [sum(map(bool, of_class)) for of_class in zip(*counts, strict=True)]


def _distinct(values: Iterable[str], most: int) -> int:
    """How many different values there are: ``most`` of them are enough.

    >>> _distinct("abracadabra", 9), _distinct("abracadabra", 3)
    (5, 3)
    """
    found: set[str] = set()
    for value in values:
        found.add(value)
        if len(found) == most:
            break
    return len(found)


def _check_enough(groups: Sequence[str], needed: int) -> None:
    """Check that each split can have a group.

    Raises:
        DataError: there are too few.
    """
    if (count := len({*groups})) < needed:
        raise DataError(
            f"data.group must give {needed} groups or more, one for each split, got {count} of "
            f"{len(groups):,} images: {listed(dict.fromkeys(groups), 3)}; write a column or a "
            "pattern that tells more groups apart"
        )


def _check_drawn(fraction: float, drawn: Sequence[str], every: Sequence[str], needed: int) -> None:
    """Check that enough groups are left where none with eval images is drawn from.

    Raises:
        DataError: they are not, though there are enough in all.
    """
    own, there = len({*drawn}), len({*every})
    if own < needed <= there:
        raise DataError(
            f"data.test = {fraction} is drawn from groups that have no image in the eval split: "
            f"{needed} or more, got {own} of {there}; move the images of each group into one "
            "split, or leave data.test out"
        )
