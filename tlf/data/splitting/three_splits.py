"""Train, eval and test as a recipe asks for them, of what a dataset has built."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tlf.components import Splits
from tlf.data.splits import each_split, listed, parts_of
from tlf.data.splitting.divide import groups_held_out, groups_in_folds, held_out, in_folds
from tlf.data.splitting.groups import check_apart, found_in_column, found_in_names, is_pattern
from tlf.data.splitting.pool import Pool
from tlf.errors import DataError
from tlf.tasks import Task

Groups = Mapping[str, Sequence[str]]
"""Split → the group of each of its images; empty where there are no groups."""
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


def divided(splits: Splits, asked: Asked, task: Task) -> Splits:
    """The splits as a recipe asks for them. Where it asks for nothing, they stay as they are.

    Raises:
        DataError: the images cannot be divided like this.
    """
    if not asked.anew:
        return splits
    _check_test(splits, asked)
    groups = _groups(splits, asked.group)
    mixed = asked.folds is not None or splits.held_out is not None
    _check_groups(groups, mixed=mixed)
    pool = Pool((splits.train, splits.eval) if mixed else (splits.train,))
    images = _Images(
        pool.names,
        task.strata(pool.labels),
        (*groups["train"], *(groups["eval"] if mixed else ())) if groups else None,
        splits.classes,
        asked,
    )
    whole = range(len(pool)) if splits.held_out else range(len(splits.train))
    test = images.tested(_drawn_from(splits, groups, whole), whole, keep=2 if mixed else 1)
    evaluated = images.evaluated(test, splits.held_out.fraction if splits.held_out else None)
    train = [p for p in range(len(pool)) if p not in test and p not in evaluated]
    if not train:
        raise DataError("data.test and the eval split leave no train image; write less of them")
    old = splits.held_out.note if splits.held_out else None
    notes = [note for note in splits.notes if note != old]
    parts = {"train": train, "eval": sorted(evaluated), "test": sorted(test)}
    changed = {name: pool.chosen(chosen) for name, chosen in parts.items() if chosen}
    plain = each_split(splits, lambda split: replace(split, columns={}))
    return replace(
        plain,
        train=changed["train"],
        eval=changed.get("eval", plain.eval),
        test=changed.get("test", plain.test),
        notes=(*notes, *images.notes(splits, parts)),
        held_out=None,
    )


def _check_test(splits: Splits, asked: Asked) -> None:
    """Check that a fraction fits the other splits.

    Raises:
        DataError: it does not.
    """
    if asked.test is None:
        return
    if splits.test is not None:
        raise DataError(
            f"data.test must be left out for a dataset with a test split of its own, got "
            f"{asked.test}; leave it out"
        )
    evaluated = splits.held_out.fraction if splits.held_out and not asked.folds else 0.0
    if asked.test + evaluated >= 1:
        raise DataError(
            f"data.test and data.fraction must leave train images, got {asked.test} and "
            f"{evaluated}; write data.test = 0.2, for example"
        )


def _groups(splits: Splits, group: str | None) -> Groups:
    """The group of each image.

    Raises:
        DataError: an image has none.
    """
    if group is None:
        return {}
    there = parts_of(splits)
    names = [name for split in there.values() for name in split.names]
    if is_pattern(group):
        every = found_in_names(names, group)
    else:
        values = [value for split in there.values() for value in split.columns[group]]
        every = found_in_column(names, values, group)
    found, start = {}, 0
    for name, split in there.items():
        found[name] = every[start : start + len(split)]
        start += len(split)
    return found


def _check_groups(groups: Groups, *, mixed: bool) -> None:
    """Check that no group is in two splits that the dataset has made. ``mixed``: whether train and
    eval are one, which is divided anew.

    Raises:
        DataError: one is.
    """
    if mixed and groups:
        groups = {
            "train": (*groups["train"], *groups["eval"]),
            **{name: found for name, found in groups.items() if name == "test"},
        }
    check_apart(groups)


def _drawn_from(splits: Splits, groups: Groups, whole: Sequence[int]) -> list[int]:
    """The positions that a fraction of test images is drawn from: of ``whole``, those whose group
    is not in the eval split of the dataset, too. So they are the same for all folds, and without
    folds.
    """
    if splits.held_out is not None or not groups:
        return [*whole]
    evaluated = {*groups["eval"]}
    return [p for p in whole if groups["train"][p] not in evaluated]


@dataclass(frozen=True)
class _Images:
    """Images that are divided."""

    names: Sequence[str]
    strata: Sequence[Hashable]
    groups: Sequence[str] | None
    classes: Sequence[str]
    asked: Asked

    def tested(self, among: Sequence[int], whole: Sequence[int], *, keep: int) -> set[int]:
        """The positions of the test images, which are drawn from ``among``: a fraction of
        ``whole``. ``keep``: so many images of each class, or so many groups, stay.
        """
        fraction = self.asked.test
        if fraction is None:
            return set()
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
        rest = [p for p in range(len(self.names)) if p not in test]
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
        strata = [self.strata[p] for p in among]
        if self.groups is None:
            whole = Counter(self.strata[p] for p in of)
            names = [self.names[p] for p in among]
            found = held_out(names, strata, fraction, seed, keep=keep, left=whole)
        else:
            groups = [self.groups[p] for p in among]
            _check_enough(groups, keep + 1)
            share = fraction * len(of) / len(among)
            found = groups_held_out(groups, strata, min(share, _MOST), seed)
        return {among[position] for position in found}

    def _fold(self, among: Sequence[int], folds: int) -> set[int]:
        """The positions of the images of the fold that is evaluated."""
        seed, strata = f"{self.asked.seed}/folds", [self.strata[p] for p in among]
        if self.groups is None:
            names = [self.names[p] for p in among]
            self._check_folds(strata, names, folds)
            fold = in_folds(names, strata, folds, seed)
        else:
            groups = [self.groups[p] for p in among]
            self._check_folds(strata, groups, folds)
            fold = groups_in_folds(groups, strata, folds, seed)
        wanted = (self.asked.fold or 1) - 1
        return {p for p, own in zip(among, fold, strict=True) if own == wanted}

    def _check_folds(self, strata: Sequence[Hashable], units: Sequence[str], folds: int) -> None:
        """Check that each fold can have an image of each class. ``units``: what is dealt.

        Raises:
            DataError: there are too many folds.
        """
        what = "images" if self.groups is None else "groups"
        of_class: dict[Hashable, set[str]] = {}
        for stratum, unit in zip(strata, units, strict=True):
            of_class.setdefault(stratum, set()).add(unit)
        rarest = min(of_class, key=lambda stratum: len(of_class[stratum]))
        least, every = len(of_class[rarest]), len({*units})
        if every < folds:
            raise DataError(
                f"data.folds must be at most the number of {what}, got {folds} and {every}; write "
                f"data.folds = {max(2, every)}"
            )
        if least < folds and self.asked.every_class:
            name = self.classes[rarest] if isinstance(rarest, int) else rarest
            raise DataError(
                f"data.folds must be at most the number of {what} of the smallest class, got "
                f"{folds}, and {name!r} has {least}; write data.folds = {max(2, least)}, add "
                'images, or write data.missing_in_eval = "allow": such a class is then in some '
                "folds only"
            )


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
