"""Images in folders, one for each class."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated

from tlf.components import IsPath, Labelled, Splits
from tlf.data.image_files import files_below, is_folder, is_image, visible
from tlf.data.listing.compact import Names
from tlf.data.listing.progress import report_listed
from tlf.data.splits import (
    EVAL_NAMES,
    HoldOut,
    check_fraction,
    check_test,
    eval_splits,
    failure,
    file_splits,
    listed,
    split_named,
    too_few_classes,
    untouched,
)
from tlf.data.splitting.groups import no_names
from tlf.errors import nearest
from tlf.hookspecs import hookimpl
from tlf.runtime.text import printable

_LAYOUT = """write a folder for each class, the same ones in both splits,
      root/train/ants/a.jpg   root/train/bees/b.jpg
      root/val/ants/c.jpg     root/val/bees/d.jpg
    or class folders alone, and tlf holds out the eval split:
      root/ants/a.jpg         root/bees/b.jpg
    or a table of paths and labels, and data.kind = "csv": tlf options data.csv"""
_MOST = 20
"""How many empty class folders an error names at most."""
_ONE_CLASS = 'where {} is the name of a class, write data.train = "."'


@hookimpl
def tlf_datasets() -> dict[str, type]:
    """Offer images in folders."""
    return {"folder": Folder}


@dataclass(frozen=True)
class Folder:
    """A folder of images, with a folder for each class: ``root/train/ants/a.jpg``.

    Where ``root`` has no train folder, its own folders are the classes (``root/ants/a.jpg``), and a
    fraction of each class is held out as the eval split. Folders inside a class folder belong to
    the class. Hidden files and folders, and files without an image's suffix, are left out.
    """

    root: Annotated[str, IsPath()]
    """The folder that holds the images."""
    train: str = "train"
    """The folder of the train split in ``root``, in upper or lower case; ``.``: the folders in
    ``root`` are the classes, whatever their names are."""
    eval: str = "auto"
    """The folder of the eval split in ``root``. ``auto``: the first of val, valid, validation, eval
    and test that exists, else as ``fraction``. ``fraction``: hold out train images."""
    fraction: float = 0.2
    """How much of each class is held out where there is no eval folder."""
    seed: int = 0
    """Decides which images are held out; the seed of the run has no effect on it."""

    def __post_init__(self) -> None:
        """Check the options."""
        check_fraction(self.fraction)

    def build(self) -> Splits:
        """Find the images.

        Raises:
            DataError: names everything that is missing or does not fit together.
        """
        return self.build_with(None, ())

    def build_with(self, test: str | None, columns: Sequence[str]) -> Splits:
        """Find the images, with those of a folder ``test`` as the test split.

        Raises:
            DataError: names everything that is missing or does not fit together.
        """
        if columns:
            raise failure(self.root, [no_names("folder", None, columns[0])])
        root = Path(self.root)
        test_name = None if test is None else self._own(root, "test", test, _folders(root))
        train_name, eval_name, notes = self._layout(root, test_name)
        if test_name is not None:
            self._check_test(test_name, train_name, eval_name)
        train = _scan(root, train_name)
        evaluated, tested = (
            None if name is None else _scan(root, name) for name in (eval_name, test_name)
        )
        if problems := _problems(train, evaluated, tested):
            raise failure(self.root, problems)
        notes += tuple(note for scan in (train, evaluated, tested) if scan for note in scan.notes())
        return file_splits(
            str(root),
            train.groups,
            evaluated.groups if evaluated else HoldOut(self.root, self.fraction, self.seed),
            notes,
            test=tested.groups if tested else None,
        )

    def _check_test(self, test: str, train: str, evaluated: str | None) -> None:
        """Check that the test folder holds no images of another split."""
        if not train:
            problem = f"data.test must be a folder beside that of train, got {test!r} in the folder"
            advice = "move the class folders into a folder, and set data.train, or write a fraction"
            raise failure(self.root, [f"{problem} of the classes; {advice}"])
        check_test(self.root, test, {"train": train, "eval": evaluated})

    def labelled(self, split: str | None) -> Labelled:
        """The images of one split; without a name, of the eval split if there is one, else all.

        Raises:
            DataError: there is no such split, or it holds no images in class folders.
        """
        root = Path(self.root)
        name = self._one_split(root, split, _folders(root))
        scan = _scan(root, name)
        groups = {label: images for label, images in scan.groups.items() if images}
        if problems := scan.problems() or ([] if groups else ["its class folders hold no images"]):
            raise failure(self.root, problems)
        found = file_splits(self.root, groups, {})
        return Labelled(found.train, found.classes)

    def _one_split(self, root: Path, split: str | None, folders: Sequence[str]) -> str:
        """The folder of a split; without a name, of the eval split or the train split; ``""`` where
        the folders in ``root`` are the classes.
        """
        with_classes = [name for name in folders if _folders(root / name)]
        if split is not None:
            if found := split_named(split, with_classes):
                return found
            alone = "its class folders are in no split; leave --split out for all images"
            advice = nearest(split, with_classes) if with_classes else alone
            raise failure(self.root, [f"there is no split {split!r}; {advice}"])
        own = [] if self.eval in ("auto", "fraction") else [self.eval]
        train = split_named(self.train, with_classes)
        return next(iter([*own, *eval_splits(with_classes), *filter(None, [train])]), "")

    def _layout(self, root: Path, test: str | None) -> tuple[str, str | None, tuple[str, ...]]:
        """The folders of train and eval, and notes. Without a train folder: ``""``, the root.
        ``test``: the folder of the test split, which is neither.
        """
        folders = [name for name in _folders(root) if name != test]
        if os.path.normpath(self.train) == ".":
            return "", self._own_eval(root, folders), ()
        if train := _folder(root, self.train, folders):
            return self._eval_layout(root, train, folders)
        known = {"train", "training", *EVAL_NAMES}
        alike = [name for name in folders if name.casefold() in known]
        if self.train != "train" or self.eval not in ("auto", "fraction") or alike:
            problem = f"there is no folder {self.train!r}; {nearest(self.train, folders)}"
            advice = 'set data.train, to "." if these folders are the classes'
            raise failure(self.root, [f"{problem}; {advice}"])
        inner = [name for name in folders if os.path.isdir(root / name / "train")]
        if inner:
            problem = f"it must hold class folders, got a folder with a dataset: {inner[0]!r}"
            raise failure(self.root, [f"{problem}; set data.root={root / inner[0]}"])
        return "", None, ()

    def _eval_layout(
        self, root: Path, train: str, folders: Sequence[str]
    ) -> tuple[str, str | None, tuple[str, ...]]:
        if self.eval != "auto":
            return train, self._own_eval(root, folders), ()
        others = [name for name in folders if name != PurePath(train).parts[0]]
        found = eval_splits(others)
        if others and not found:
            problem = (
                f"which folder is the eval split? There is {listed(others)}; set data.eval to its "
                f'name, or to "fraction" to hold out images of {train!r}; '
                f"{_ONE_CLASS.format(train)}"
            )
            raise failure(self.root, [problem])
        return train, found[0] if found else None, untouched(found)

    def _own_eval(self, root: Path, folders: Sequence[str]) -> str | None:
        """The eval folder that ``eval`` names, if it names one."""
        if self.eval in ("auto", "fraction"):
            return None
        return self._own(root, "eval", self.eval, folders)

    def _own(self, root: Path, option: str, name: str, folders: Sequence[str]) -> str:
        """The folder that an option names."""
        if found := _folder(root, name, folders):
            return found
        problem = f"there is no folder {name!r}; {nearest(name, folders)}"
        raise failure(self.root, [f"{problem}; set data.{option}"])


@dataclass(frozen=True)
class _Scan:
    """The contents of one split's folder."""

    name: str
    groups: dict[str, Names]
    """Class → its images, relative to the root. Empty class folders are included."""
    loose: list[str]
    """Images in no class folder."""
    others: Counter[str]
    """Suffix → how many files that are not images."""

    def problems(self) -> list[str]:
        """Why this cannot be a split, if so."""
        if not self.groups:
            loose = f" (loose images: {len(self.loose)})" if self.loose else ""
            one = f"\n    or, {_ONE_CLASS.format(self.name)}" if self.name and self.loose else ""
            return [f"{self.name or 'it'} has no class folders{loose}; {_LAYOUT}{one}"]
        return []

    def empty(self) -> list[str]:
        """A sentence for each class folder without images."""
        empty = [name for name, images in self.groups.items() if not images]
        advice = "add images, or remove the folder"
        more = len(empty) - _MOST
        return [
            *(
                f"{printable(_join(self.name, name))} holds no images; {advice}"
                for name in empty[:_MOST]
            ),
            *([f"{more:,} more class folders hold no images"] if more > 0 else []),
        ]

    def notes(self) -> tuple[str, ...]:
        """What was left out, if anything."""
        where = f"{self.name}: " if self.name else ""
        notes = []
        if self.loose:
            count = f"{len(self.loose)} in no class folder"
            notes.append(f"{where}left out {count}: {listed(self.loose, 3)}")
        if self.others:
            counts = sorted(self.others.items())
            kinds = ", ".join(f"{count} {printable(suffix)}" for suffix, count in counts)
            notes.append(f"{where}left out files that are not images by their suffix: {kinds}")
        return tuple(notes)


def _problems(train: _Scan, evaluated: _Scan | None, tested: _Scan | None) -> list[str]:
    """An empty class folder of another split is none: the recipe says what such a class does."""
    problems = [*train.problems(), *train.empty()]
    advice = {
        "eval": 'add some, or set data.eval to "fraction" to hold out train images',
        "test": "add some, or set data.test to a fraction, to hold out train images",
    }
    for name, scan in (("eval", evaluated), ("test", tested)):
        if scan is None:
            continue
        problems += scan.problems()
        if scan.groups and not any(scan.groups.values()):
            problems.append(f"{scan.name} must hold images, got none; {advice[name]}")
    return problems + too_few_classes(train.groups, train.name or "it")


def _folder(root: Path, name: str, folders: Sequence[str]) -> str | None:
    """The folder of a split as the disk has it, if it is there."""
    return name if os.path.isdir(root / name) else split_named(name, folders)


def _scan(root: Path, name: str) -> _Scan:
    found = _Scan(name, {}, [], Counter())
    entries, count = visible(root / name), 0
    for number, entry in enumerate(entries, start=1):
        prefix = _join(name, entry.name)
        if is_folder(entry):
            files = list(files_below(entry.path, prefix))
            found.groups[entry.name] = Names(sorted(filter(is_image, files)))
            found.others.update(_kind(file) for file in files if not is_image(file))
            count += len(found.groups[entry.name])
            report_listed(name or "images", count, number, len(entries))
        elif is_image(prefix):
            found.loose.append(prefix)
        else:
            found.others[_kind(prefix)] += 1
    return found


def _folders(root: Path) -> list[str]:
    return [entry.name for entry in visible(root) if is_folder(entry)]


def _kind(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "without a suffix"


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
