"""What a file of weights says about itself, and reading it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlf.errors import RunError, WeightsError
from tlf.inference.sealed_file import read_sealed
from tlf.preprocessing import Preprocessing
from tlf.tasks import DEFAULT, TASKS

GOLDEN = ("golden.features", "golden.logits")
"""What the head's file has besides the head's tensors."""


@dataclass(frozen=True)
class Metadata:
    """What a file of weights says about itself."""

    classes: tuple[str, ...]
    """Class names in the order of the logits."""
    preprocessing: Preprocessing
    head: Mapping[str, Any]
    """Kind and options."""
    backbone: Mapping[str, Any]
    """Kind and options, and ``sha256`` of its tensors."""
    num_features: int
    """F."""
    classifier: str
    """The name under which the architecture keeps its classifier; the head's tensors stand under
    it."""
    metrics: Mapping[str, float]
    plugins: Mapping[str, str]
    """Plugin → distribution and version, where head or backbone are a third party's."""
    tlf: str
    """The version of tlf that wrote the file."""
    task: str = DEFAULT
    """What the model was trained for. Files of format 1 do not say it: there was one task."""


def read_metadata(path: Path) -> Metadata:
    """Read what a file that tlf wrote says about itself.

    Raises:
        RunError: there is no such file, or it is of a newer format.
        WeightsError: it is damaged, or tlf did not write it.
    """
    metadata, _ = read_with_metadata(path)
    return metadata


def read_with_metadata(path: Path) -> tuple[Metadata, bytes]:
    """Read a file that tlf wrote, once: what it says about itself, and all its bytes.

    Raises:
        RunError: there is no such file, or it is of a newer format.
        WeightsError: it is damaged, or tlf did not write it.
    """
    about, data = read_sealed(path)
    try:
        preprocessing = about["preprocessing"]
        preprocessing |= {"mean": tuple(preprocessing["mean"]), "std": tuple(preprocessing["std"])}
        del preprocessing["mode"]  # mean and std say it by their number
        metadata = Metadata(**{**about, "classes": tuple(about["classes"]),
                       "preprocessing": Preprocessing(**preprocessing)})  # fmt: skip
        if metadata.task not in TASKS:
            raise RunError(f"{path} holds a {metadata.task!r} model; upgrade: pip install -U tlf")
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path} does not say all of what it is: {error}") from error
    return metadata, data
