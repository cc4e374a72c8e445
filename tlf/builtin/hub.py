"""Datasets of the Hugging Face hub, and its file formats on the own disk."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlf.components import Split, Splits
from tlf.errors import DataError, nearest
from tlf.hookspecs import hookimpl
from tlf.splits import (
    EVAL_NAMES,
    Aside,
    class_notes,
    class_problems,
    failure,
    labelled,
    listed,
    untouched,
)

if TYPE_CHECKING:
    from datasets import Dataset

_TIMEOUT = 10
"""Seconds to wait for the hub's first answer."""


@hookimpl
def tlf_datasets() -> dict[str, type]:
    """Offer datasets of the Hugging Face hub."""
    return {"hub": Hub}


@dataclass(frozen=True)
class Hub:
    """A dataset of the Hugging Face hub by its name, or its parquet or arrow files on the disk.

    What is fetched is said before. Nothing that a dataset brings along is run as a program.
    """

    name: str
    """The dataset's name on the hub (``user/dataset``), or a parquet file, an arrow file, a folder
    of them, or a folder that ``save_to_disk`` wrote."""
    train: str = "train"
    """The split that is learnt from."""
    eval: str = "auto"
    """The split that is evaluated on. ``auto``: the first of val, valid, validation, eval and test
    that is there, else as ``fraction``. ``fraction``: put train pictures aside."""
    image: str = "auto"
    """The column of pictures. ``auto``: the only one that there is."""
    label: str = "auto"
    """The column of classes, named or numbered. ``auto``: the only one of named classes, else
    ``label``."""
    config: str = ""
    """Which of the dataset's configurations, where it has several."""
    revision: str = ""
    """The commit, tag or branch on the hub. A commit keeps a run repeatable."""
    fraction: float = 0.2
    """How much of each class is put aside where there is no eval split."""
    seed: int = 0
    """Decides which pictures are put aside; the seed of the run has no part in it."""

    def build(self) -> Splits:
        """Fetch or open the dataset.

        Raises:
            DataError: it is not to be had, or its columns or splits do not fit together.
        """
        path = Path(self.name).expanduser()
        tables = self._local(path) if _is_local(self.name, path) else self._remote()
        parts = [self._part(name, tables[name]) for name in self._chosen(list(tables))]
        notes = untouched(self._evals(list(tables))) if self.eval == "auto" else ()
        return self._splits(parts[0], parts[1] if len(parts) > 1 else None, notes)

    def _local(self, path: Path) -> "dict[str, Dataset]":
        import datasets

        if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
            found = _asked(lambda: datasets.load_from_disk(str(path)), f"cannot open {path}")
            return dict(found) if isinstance(found, dict) else {self.train: found}
        splits = _files_by_split(path, (self.train, self.eval))
        unnamed = splits.pop("", [])
        if unnamed and splits:
            known = listed(sorted(splits))
            problem = f"{listed(unnamed)}: which split is this? Others are named {known}"
            raise failure(self.name, [f"{problem}; name it so that it begins with its split"])
        splits = splits or {self.train: unnamed}
        return {name: _open_files(files, name) for name, files in splits.items()}

    def _remote(self) -> "dict[str, Dataset]":
        import datasets

        if not datasets.config.HF_HUB_OFFLINE:
            self._announce()
        found = _asked(
            lambda: datasets.load_dataset(
                self.name, self.config or None, revision=self.revision or None
            ),
            f"cannot load the dataset {self.name!r}; {_alternatives()}",
        )
        return dict(found)

    def _announce(self) -> None:
        """Say what is going to be fetched from where to where, before it is.

        Raises:
            DataError: the hub does not answer, or has no such dataset.
        """
        import datasets
        from huggingface_hub import HfApi

        endpoint = datasets.config.HF_ENDPOINT
        _say(f"asking {endpoint} for the dataset {self.name!r}")
        info = _asked(
            lambda: HfApi(endpoint=endpoint).dataset_info(
                self.name, revision=self.revision or None, files_metadata=True, timeout=_TIMEOUT
            ),
            f"asked {endpoint} for the dataset {self.name!r} in vain; {_alternatives()}",
        )
        sizes = [file.size or 0 for file in info.siblings or ()]
        _say(
            f"fetching what is not there yet of {self.name!r}, revision {info.sha}: at most "
            f"{sum(sizes) / 1e6:,.1f} MB in {len(sizes)} files, to {datasets.config.HF_CACHE_HOME}"
        )

    def _chosen(self, known: Sequence[str]) -> tuple[str, ...]:
        """The name of the train split, and of the eval split if there is one.

        Raises:
            DataError: there are no such splits.
        """
        wanted = {"train": self.train}
        if self.eval not in ("auto", "fraction"):
            wanted["eval"] = self.eval
        problems = [
            f"there is no split {name!r}; {nearest(name, known)}; set data.{option}"
            for option, name in wanted.items()
            if name not in known
        ]
        if problems:
            raise failure(self.name, problems)
        if self.eval == "auto":
            return self.train, *self._evals(known)[:1]
        return (self.train,) if self.eval == "fraction" else (self.train, self.eval)

    def _evals(self, known: Sequence[str]) -> list[str]:
        return [name for name in EVAL_NAMES if name in known and name != self.train]

    def _part(self, name: str, table: "Dataset") -> "_Part":
        """The pictures of one split by class.

        Raises:
            DataError: there are no such columns, or rows without a label.
        """
        import datasets

        where = f"{self.name}, split {name!r}"
        image = _column(where, "image", self.image, _image_columns(table), table.column_names)
        label = _column(where, "label", self.label, _label_columns(table), table.column_names)
        pictures = _asked(
            lambda: table.select_columns([image]).cast_column(image, datasets.Image(decode=False)),
            f"{where}: the column {image!r} does not hold pictures; set data.image",
        )
        return _Part(name, pictures, image, _by_class(where, table, label))

    def _splits(self, train: "_Part", evaluated: "_Part | None", notes: tuple[str, ...]) -> Splits:
        if evaluated is None:
            evaluated = train
            kept, aside, note = Aside(self.name, self.fraction, self.seed).take(train.groups)
            notes += (note,)
        else:
            kept, aside = train.groups, evaluated.groups
        problems = class_problems(kept, {*kept, *aside}, train.name, evaluated.name)
        if problems:
            raise failure(self.name, problems)
        # Somebody else's dataset cannot be mended, and a class that is not evaluated does no harm.
        lacking = [name for name in kept if name not in aside]
        if lacking:
            notes += (f"{evaluated.name} has no pictures of {listed(lacking)}",)
        classes = tuple(kept)
        notes += tuple(class_notes(classes))
        return Splits(train.split(kept, classes), evaluated.split(aside, classes), classes, notes)


@dataclass(frozen=True)
class _Part:
    """One split as it was found."""

    name: str
    pictures: "Dataset"
    """One column, of encoded pictures."""
    image: str
    groups: dict[str, list[int]]
    """Class → rows, the classes in their order."""

    def split(self, groups: Mapping[str, Sequence[int]], classes: Sequence[str]) -> Split:
        """The rows of ``groups``, labelled by their place in ``classes``."""
        rows, labels = labelled(groups, classes)
        names = tuple(f"{self.name}[{row}]" for row in rows)
        return Split(names, labels, ReadRow(self.pictures, self.image, rows))


@dataclass(frozen=True)
class ReadRow:
    """Reads a picture of a split that is stored in a table. Picklable, by its files' names."""

    pictures: Any
    image: str
    rows: Sequence[int]

    def __call__(self, index: int) -> bytes:
        """The bytes of one row's picture, or of the file that the row names.

        Raises:
            DataError: the row is empty.
        """
        cell = self.pictures[self.rows[index]][self.image] or {}
        if cell.get("bytes") is not None:
            return bytes(cell["bytes"])
        if not cell.get("path"):
            raise DataError("the row holds no picture")
        return Path(cell["path"]).read_bytes()


# Columns


def _image_columns(table: "Dataset") -> list[str]:
    import datasets

    features = table.features
    typed = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    return typed or [name for name, kind in features.items() if _holds_bytes(kind)]


def _holds_bytes(kind: Any) -> bool:  # noqa: ANN401 - a feature, or a dict of them
    kind = kind.get("bytes") if isinstance(kind, dict) else kind
    return getattr(kind, "dtype", None) in ("binary", "large_binary")


def _label_columns(table: "Dataset") -> list[str]:
    import datasets

    features = table.features
    typed = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    return typed or [name for name in ("label",) if name in features]


def _column(where: str, option: str, asked: str, found: Sequence[str], known: Sequence[str]) -> str:
    """The column that was asked for, or the only one found.

    Raises:
        DataError: there is none, or it cannot be told which.
    """
    if asked != "auto":
        if asked in known:
            return asked
        raise failure(where, [f"there is no column {asked!r}; {nearest(asked, known)}"])
    if len(found) == 1:
        return found[0]
    columns = listed(found) if found else f"none of {listed(known)}"
    raise failure(where, [f"which column is the {option}? Found {columns}; set data.{option}"])


def _by_class(where: str, table: "Dataset", label: str) -> dict[str, list[int]]:
    """Class → rows. Named classes keep the dataset's order, numbers and other names are sorted."""
    import datasets

    kind = table.features[label]
    values: list[Any] = table[label][:]
    named = isinstance(kind, datasets.ClassLabel)
    if not named and not all(isinstance(value, str | int | None) for value in values):
        problem = f"the column {label!r} holds {kind}, neither names nor whole numbers"
        raise failure(where, [f"{problem}; set data.label"])
    groups: dict[Any, list[int]] = {}
    for row, value in enumerate(values):
        groups.setdefault(value, []).append(row)
    unknown = sum(len(groups.get(value, ())) for value in ((None, -1) if named else (None,)))
    if unknown:
        raise failure(where, [f"{unknown} rows have no label; choose another split"])
    return {kind.int2str(v) if named else str(v): groups[v] for v in sorted(groups)}


# The own disk, and the hub


def _is_local(name: str, path: Path) -> bool:
    """Whether a name means a place on the disk: it exists, or it cannot be a name on the hub."""
    looks_so = name.startswith((".", "/", "~")) or path.suffix in (".parquet", ".arrow")
    return path.exists() or looks_so


def _files_by_split(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Split → files of a folder, by what their names or folders begin with; ``""`` where unknown.

    Raises:
        DataError: there are no parquet or arrow files.
    """
    if path.is_file():
        return {"": [str(path)]}
    files = sorted(file for kind in ("parquet", "arrow") for file in path.rglob(f"*.{kind}"))
    if not files:
        raise DataError(f"{path}: there are no parquet or arrow files here; set data.name")
    known = "|".join(map(re.escape, dict.fromkeys((*names, "train", *EVAL_NAMES))))
    begins = re.compile(rf"({known})(?![a-zA-Z])")
    splits: dict[str, list[str]] = {}
    for file in files:
        match = begins.match(file.name) or begins.match(file.relative_to(path).parts[-2:][0])
        splits.setdefault(match[1] if match else "", []).append(str(file))
    return splits


def _open_files(files: Sequence[str], split: str) -> "Dataset":
    import datasets

    kinds = {Path(file).suffix for file in files}
    if len(kinds) > 1:
        raise DataError(f"split {split!r}: {listed(files)} are of two formats; keep one")
    # Not load_dataset("parquet"): it reports to a server even for files on the own disk.
    if kinds == {".parquet"}:
        return _asked(
            lambda: datasets.Dataset.from_parquet(list(files)), f"cannot read {listed(files)}"
        )
    return _asked(
        lambda: datasets.concatenate_datasets([datasets.Dataset.from_file(f) for f in files]),
        f"cannot read {listed(files)} in Arrow's stream format; parquet is safer",
    )


def _asked(question: Callable[[], Any], failed: str) -> Any:  # noqa: ANN401 - whatever the library answers
    """What the library answers, its failures being the user's to mend.

    Raises:
        DataError: it failed.
    """
    try:
        return question()
    # The library lets through whatever its HTTP client and its file readers raise.
    except Exception as error:
        reason = str(error).strip().splitlines()[:1] or [""]
        raise DataError(f"{failed} ({type(error).__name__}: {reason[0]})") from error


def _alternatives() -> str:
    return (
        "data.name may also be a parquet file on the disk, and with HF_HUB_OFFLINE=1 what was "
        "fetched before is used"
    )


def _say(text: str) -> None:
    sys.stderr.write(f"tlf: {text}\n")
    sys.stderr.flush()
