"""The journal of a study: a file to which all of its processes add what they do.

Optuna writes and reads it (``JournalStorage``). It is JSON, a record a line. A process holds a lock
while it adds a record: a file that only one process can create, also on a shared disk.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlf.errors import RunError
from tlf.runtime.files import writing

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileOpenLock
    from optuna.trial import FrozenTrial

    from tlf.studies.sweep.ranges import Value

JOURNAL = "journal.log"
NAME = "sweep"
FOUND = "found"
"""The attribute of a trial that holds what it has shown."""


@dataclass(frozen=True)
class Journal:
    """The trials of a study, on a disk that its processes share."""

    folder: Path
    storage: "JournalStorage"
    study: "Study"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process at a time decide what happens next.

        A process that is killed here keeps the others waiting for half a minute.
        """
        with _locked(self.folder / "study"):
            _mend(self.folder / JOURNAL)
            yield

    def trials(self) -> "list[FrozenTrial]":
        """All trials by number."""
        with _named(self.folder):
            return self.study.get_trials(deepcopy=False)

    def facts(self) -> Mapping[str, Any]:
        """What was noted of the study."""
        with _named(self.folder):
            return self.study.user_attrs

    def note(self, name: str, fact: object) -> None:
        """Note something of the study, as JSON has it."""
        with _named(self.folder):
            self.study.set_user_attr(name, fact)

    def begin(
        self, values: "Mapping[str, Value]", distributions: "Mapping[str, BaseDistribution]"
    ) -> "FrozenTrial":
        """Add a trial, which is running. Nobody else may add one meanwhile."""
        from optuna.trial import TrialState, create_trial

        trial = create_trial(
            state=TrialState.RUNNING, params=dict(values), distributions=dict(distributions)
        )
        with _named(self.folder):
            self.study.add_trial(trial)
        return self.trials()[-1]

    def end(self, number: int, found: Mapping[str, Any], value: float | None) -> None:
        """Note what a trial has shown, and end it. One without a value is a bad one: samplers avoid
        what is near.
        """
        from optuna.trial import TrialState

        with _named(self.folder):
            place = self.storage.get_study_id_from_name(NAME), number
            trial = self.storage.get_trial_id_from_study_id_trial_number(*place)
            self.storage.set_trial_user_attr(trial, FOUND, dict(found))
            state = TrialState.PRUNED if value is None else TrialState.COMPLETE
            self.study.tell(number, value, state)


def open_journal(folder: Path, *, higher_is_better: bool) -> Journal:
    """Open the journal in a folder; begin one where there is none.

    Raises:
        UnwritableError: it cannot be written.
        RunError: it is damaged.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = folder / JOURNAL
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _mend(path)
    with _named(folder):
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_lock(path)))
        study = optuna.create_study(
            storage=storage,
            study_name=NAME,
            direction="maximize" if higher_is_better else "minimize",
            load_if_exists=True,
        )
    return Journal(folder, storage, study)


def _lock(path: Path) -> "JournalFileOpenLock":
    from optuna.storages.journal import JournalFileOpenLock

    return JournalFileOpenLock(str(path))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = _lock(path)
    with writing(path.with_name(f"{path.name}.lock")):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Name the journal in an error about it.

    Raises:
        UnwritableError: it cannot be written.
        RunError: it is damaged.
    """
    path = folder / JOURNAL
    try:
        with writing(path):
            yield
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise RunError(
            f"{path} must be the journal of a study, a record a line, and one cannot be read "
            f"({type(error).__name__}: {error}); write --output and another folder"
        ) from error


def _mend(path: Path) -> None:
    """Remove the beginning of a record at the end: a full disk, or a kill, cut it off. The next
    record would continue it.
    """
    with _locked(path), writing(path):
        if not path.exists():
            return
        with path.open("rb+") as file:
            file.seek(max(0, path.stat().st_size - 1))
            if file.read(1) in (b"", b"\n"):
                return
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
