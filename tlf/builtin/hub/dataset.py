"""The dataset component of the hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tlf.builtin.hub.columns import image_columns, label_columns, rows_by_class, texts
from tlf.builtin.hub.label_lists import holds_lists, rows_by_classes
from tlf.builtin.hub.library import call_library
from tlf.builtin.hub.local import is_local, local_tables
from tlf.builtin.hub.part import Part
from tlf.builtin.hub.remote import remote_tables
from tlf.components import HeldOut, IsPath, Labelled, Splits
from tlf.data.columns import chosen_column
from tlf.data.label_sets.as_text import HoldOutOfSets, positions, taken_apart
from tlf.data.splits import (
    HoldOut,
    check_fraction,
    check_test,
    eval_splits,
    failure,
    split_named,
    too_few_classes,
    untouched,
)
from tlf.errors import nearest

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Hub:
    """A dataset of the Hugging Face hub by its name, or local parquet or arrow files.

    A download is announced before it starts. Code in a dataset is never run.
    """

    name: Annotated[str, IsPath(when=is_local)]
    """The dataset's name on the hub (``user/dataset``), or a parquet file, an arrow file, a folder
    of such files, or a folder that ``save_to_disk`` wrote."""
    train: str = "train"
    """The name of the train split."""
    eval: str = "auto"
    """The name of the eval split. ``auto``: the first of val, valid, validation, eval and test that
    exists, else as ``fraction``. ``fraction``: hold out train images."""
    image: str = "auto"
    """The column of images. ``auto``: the only such column."""
    label: str = "auto"
    """The column of classes, named or numbered; of lists of them, for ``task = "multi-label"``.
    ``auto``: the only column of named classes, else ``label``, else ``labels``."""
    config: str = ""
    """The dataset's configuration, where it has several."""
    revision: str = ""
    """The commit, tag or branch on the hub. A commit makes a run repeatable."""
    fraction: float = 0.2
    """How much of each class is held out where there is no eval split."""
    seed: int = 0
    """Decides which images are held out; the seed of the run has no effect on it."""

    def __post_init__(self) -> None:
        """Check the options."""
        check_fraction(self.fraction)

    def build(self) -> Splits:
        """Fetch or open the dataset.

        Raises:
            DataError: it cannot be loaded, or its columns or splits do not fit together.
        """
        return self.build_with(None, ())

    def build_with(self, test: str | None, columns: Sequence[str]) -> Splits:
        """Fetch or open the dataset, with its split ``test`` as the test split, and the values of
        ``columns``.

        Raises:
            DataError: it cannot be loaded, or its columns or splits do not fit together.
        """
        tables = self._tables(test)
        tested = None if test is None else self._named("test", test, list(tables))
        known = [name for name in tables if name != tested]
        chosen = self._chosen(known)
        parts = [self._part(name, tables[name], columns) for name in chosen]
        notes = untouched(self._evals(known)) if self.eval == "auto" else ()
        third = None if tested is None else self._part(tested, tables[tested], columns)
        return self._splits(parts[0], parts[1] if len(parts) > 1 else None, third, notes)

    def labelled(self, split: str | None) -> Labelled:
        """The images of one split; without a name, of the eval split if there is one, else those of
        the train split.

        Raises:
            DataError: it cannot be loaded, or there is no such split.
        """
        tables = self._tables(split)
        known = list(tables)
        own = [] if self.eval in ("auto", "fraction") else [self.eval]
        wanted = split or next(iter([*own, *self._evals(known), self.train]))
        if (name := split_named(wanted, known)) is None:
            problem = f"there is no split {wanted!r}; {nearest(wanted, known)}"
            raise failure(self.name, [problem])
        part = self._part(name, tables[name])
        classes = tuple(part.groups)
        images = part.split(part.groups, classes)
        if part.several is None:
            return Labelled(images, classes)
        found = taken_apart(Splits(images, images, classes), part.several)
        return Labelled(found.train, found.classes)

    def _tables(self, named: str | None) -> "dict[str, Dataset]":
        """Split → its table. ``named``: a split that is neither train nor eval, which local files
        may begin with.
        """
        if is_local(self.name):
            return local_tables(self.name, self.train, self.eval, named or "test")
        return remote_tables(self.name, self.config, self.revision)

    def _chosen(self, known: Sequence[str]) -> tuple[str, ...]:
        """The name of the train split, and of the eval split if there is one.

        Raises:
            DataError: a split does not exist.
        """
        wanted = {"train": self.train}
        if self.eval not in ("auto", "fraction"):
            wanted["eval"] = self.eval
        found = {option: split_named(name, known) for option, name in wanted.items()}
        problems = [
            _no_split(option, wanted[option], known)
            for option, name in found.items()
            if name is None
        ]
        if problems:
            raise failure(self.name, problems)
        evaluated = self._evals(known)[:1] if self.eval == "auto" else []
        return *(name for name in found.values() if name), *evaluated

    def _named(self, option: str, wanted: str, known: Sequence[str]) -> str:
        """The name of a split that an option names.

        Raises:
            DataError: it does not exist, or is another split.
        """
        if (found := split_named(wanted, known)) is None:
            raise failure(self.name, [_no_split(option, wanted, known)])
        check_test(
            self.name,
            found,
            {
                name: split_named(own, known)
                for name, own in (("train", self.train), ("eval", self.eval))
            },
        )
        return found

    def _evals(self, known: Sequence[str]) -> list[str]:
        train = split_named(self.train, known)
        return eval_splits(name for name in known if name != train)

    def _part(self, name: str, table: "Dataset", columns: Sequence[str] = ()) -> "Part":
        """The images of one split by class, with the values of ``columns``.

        Raises:
            DataError: a column does not exist, or a row has no label.
        """
        import datasets

        where = f"{self.name}, split {name!r}"
        image = chosen_column(where, "image", self.image, image_columns(table), table.column_names)
        label = chosen_column(where, "label", self.label, label_columns(table), table.column_names)
        images = call_library(
            lambda: table.select_columns([image]).cast_column(image, datasets.Image(decode=False)),
            f"{where}: the column {image!r} does not hold images; set data.image",
        )
        values = {column: texts(where, table, column) for column in columns}
        origin = repr((self.name, self.config, self.revision))
        if holds_lists(table.features[label]):
            groups, several = rows_by_classes(where, table, label)
            return Part(name, images, image, groups, values, several, origin)
        groups = rows_by_class(where, table, label)
        return Part(name, images, image, groups, values, origin=origin)

    def _splits(
        self,
        train: "Part",
        evaluated: "Part | None",
        tested: "Part | None",
        notes: tuple[str, ...],
    ) -> Splits:
        held = None
        if evaluated is None:
            evaluated = train
            divide = HoldOut if train.several is None else HoldOutOfSets
            kept, held_out, note = divide(self.name, self.fraction, self.seed).take(train.groups)
            notes, held = (*notes, note), HeldOut(self.fraction, note)
        else:
            kept, held_out = dict(train.groups), dict(evaluated.groups)
        own = kept if train.several is None else positions(kept)[0]
        if problems := too_few_classes(own, train.name):
            raise failure(self.name, problems)
        classes = tuple(dict.fromkeys((*kept, *held_out, *(tested.groups if tested else ()))))
        splits = Splits(
            train.split(kept, classes),
            evaluated.split(held_out, classes),
            classes,
            notes,
            tested.split(tested.groups, classes) if tested else None,
            held,
        )
        return _apart(splits, [train, evaluated, *([tested] if tested else [])])


def _no_split(option: str, wanted: str, known: Sequence[str]) -> str:
    return f"there is no split {wanted!r}; {nearest(wanted, known)}; set data.{option}"


def _apart(splits: Splits, parts: Sequence[Part]) -> Splits:
    """The splits, with tuples of classes as labels where rows have lists of them.

    Raises:
        DataError: rows of one split have lists, those of another have none.
    """
    lists = [part for part in parts if part.several is not None]
    if not lists:
        return splits
    if len(lists) < len(parts):
        problem = f"only the split {lists[0].name!r} has lists of classes; write them in all"
        raise failure(parts[0].name, [problem])
    return taken_apart(splits, [name for part in lists for name in part.several or ()])
