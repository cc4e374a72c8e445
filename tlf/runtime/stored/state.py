"""The file with the last state of a run: where it is, and reading it.

It is one sealed safetensors file, so all that it holds is of one moment. What it holds decides
``tlf.training.checkpoint.state_file``.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os.path import lexists
from pathlib import Path
from typing import Any

from tlf.errors import RunError, TlfWarning
from tlf.runtime.regular_file import check_regular
from tlf.runtime.seal import LONGEST_HEADER, header, is_sealed

FORMAT = 4


class UnfinishedRunWarning(TlfWarning):
    """A model is the best one so far of a run that has not trained all of its phases."""


def state_file(folder: Path) -> Path:
    """The path of the last state of a run."""
    return folder / "resume" / "state.safetensors"


def has_state(folder: Path) -> bool:
    """Whether a run has stored a state. What stands there and is no file is named when it is read:
    it is not taken for a run without a state.
    """
    return lexists(state_file(folder))


def read_state(path: Path) -> dict[str, Any]:
    """Everything that a state holds.

    Raises:
        RunError: it cannot be read, is damaged, or is of another format.
    """
    from safetensors.torch import load_file

    from tlf.runtime.stored.packing import unpack

    with _faults_named(path):
        while True:
            text = _known(path)
            if not is_sealed(path):
                raise _damaged(path, "its bytes are not those that were written (SHA-256)")
            tensors = load_file(path)
            if _text(path) == text:  # else a running run has replaced it meanwhile
                state: dict[str, Any] = unpack(text, tensors)
                return state


def check_state(folder: Path) -> None:
    """Check that the state of a run, if there is one, is of this format. It imports no torch.

    Raises:
        RunError: it cannot be read, or is of another format.
    """
    if has_state(folder):
        with _faults_named(state_file(folder)):
            _known(state_file(folder))


@contextmanager
def _faults_named(path: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def state_summary(folder: Path) -> Mapping[str, Any] | None:
    """What the state of a run holds, without its tensors and unchecked; None if there is none that
    can be read. It imports no torch.
    """
    try:
        text = _text(state_file(folder))
    except (OSError, RunError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return text if text.get("format") == FORMAT else None


def place(phase: str, epochs: int, epoch: int, update: int) -> str:
    """How far a run is, for a person.

    >>> place("all", 10, epoch=3, update=17), place("all", 10, epoch=3, update=0)
    ('in epoch 4 of 10 of phase all', 'after epoch 3 of 10 of phase all')
    """
    if update:
        return f"in epoch {epoch + 1} of {epochs} of phase {phase}"
    return f"after epoch {epoch} of {epochs} of phase {phase}" if epoch else f"before phase {phase}"


def place_of(stored: Mapping[str, Any]) -> str:
    """How far a run was when its state was stored, for a person."""
    phase = stored["depends"]["phases"][-1]
    return place(phase, stored["epochs"], stored["epoch"], stored["update"])


def _known(path: Path) -> dict[str, Any]:
    """The JSON in the header of a state of this format."""
    text = _text(path)
    if text["format"] != FORMAT:
        raise RunError(
            f"the format of {path} must be {FORMAT}, got {text['format']}; start a new run"
        )
    return text


def _text(path: Path) -> dict[str, Any]:
    """The JSON in the header of a state."""
    check_regular(path)
    with path.open("rb") as file:
        length = file.read(8)
        start = header(length + file.read(min(int.from_bytes(length, "little"), LONGEST_HEADER)))
    text = json.loads(json.loads(start[8:])["__metadata__"]["tlf"])
    if not isinstance(text, dict):
        raise TypeError("its metadata is no table")
    return text


def _damaged(path: Path, fault: object) -> RunError:
    return RunError(f"{path} is damaged: {fault}; start a new run")
