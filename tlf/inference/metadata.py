"""The metadata of a weights file, and reading it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlf.errors import RunError, TlfWarning, WeightsError
from tlf.inference.sealed_file import FORMAT, NEWEST, read_sealed
from tlf.preprocessing import Preprocessing, read_preprocessing

if TYPE_CHECKING:
    from tlf.inference.calibrated import Calibrated

FIRST_TASK = "single-label"
"""``tlf.tasks.DEFAULT``, written here because loading a head does not wait for ``tlf.tasks``."""

GOLDEN = ("golden.features", "golden.logits")
"""Tensors in the head's file besides the head's own: features of one image, and their logits."""


LONGEST_TEXT = 200
"""The longest version, kind or name of a module, in characters. Class names may be longer."""

_CALIBRATED = {"temperature", "coverage", "threshold", "source", "images"}

_PREPARED = ("size", "resize", "crop", "interpolation", "mean", "std")
"""What every file says about preprocessing."""


class MissingTrainImagesWarning(TlfWarning):
    """The file of a run's train images was left out or removed."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of a weights file."""

    classes: tuple[str, ...]
    """Class names in the order of the logits."""
    preprocessing: Preprocessing
    head: Mapping[str, Any]
    """Its kind and options."""
    backbone: Mapping[str, Any]
    """Its kind and options, and the ``sha256`` of its tensors."""
    num_features: int
    """F: the features that the head takes."""
    classifier: str
    """The architecture's name for its classifier. The head's tensors are stored under it."""
    metrics: Mapping[str, float]
    plugins: Mapping[str, str]
    """Plugin → distribution and version, for the plugins that the model needs to be loaded: those
    of the head, the backbone and ``changed_by``."""
    tlf: str
    """The version of tlf that wrote the file."""
    task: str = FIRST_TASK
    """The task that the model was trained for. Files of format 1 do not name it: there was one."""
    precision: str = "no"
    """What the run computed its figures in: ``no`` (float32), ``bf16`` or ``fp16``. The weights are
    float32."""
    changed_by: tuple[str, ...] | None = None
    """What changes a new model before the weights are loaded into it, by ``tlf_model_trained``:
    plugins and extensions, as a recipe names them. None: older files do not say it."""
    calibrated: Mapping[str, Any] | None = None
    """The fields of a ``tlf.inference.calibrated.Calibrated``. None: older files do not say it."""
    unlike: str | None = None
    """SHA-256 of the ``unlike.safetensors`` beside the file; None: there is none."""

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """From which probability on each class is predicted; None where the task has no such."""
        return None if self.calibration is None else self.calibration.thresholds

    @property
    def format(self) -> int:
        """The oldest format that says all of it: a tlf that does not know thresholds refuses a file
        that has some.
        """
        has_thresholds = self.calibrated is not None and "thresholds" in self.calibrated
        return NEWEST if has_thresholds else FORMAT

    @property
    def calibration(self) -> "Calibrated | None":
        """How sure the model is; None: older files do not say it."""
        from tlf.inference.calibrated import Calibrated  # a head is loaded without it

        if not self.calibrated:
            return None
        thresholds = self.calibrated.get("thresholds")
        own = None if thresholds is None else tuple(thresholds)
        return Calibrated(**{**self.calibrated, "thresholds": own})


def read_metadata(path: Path) -> Metadata:
    """Read the metadata of a file that tlf wrote.

    Raises:
        RunError: there is no such file, or a newer tlf wrote it.
        WeightsError: it is damaged, or tlf did not write it.
    """
    metadata, _ = read_with_metadata(path)
    return metadata


def read_with_metadata(path: Path) -> tuple[Metadata, bytes]:
    """Read a file that tlf wrote, once: its metadata, and all its bytes.

    Raises:
        RunError: there is no such file, or a newer tlf wrote it.
        WeightsError: it is damaged, or tlf did not write it.
    """
    about, data = read_sealed(path)
    return from_json(about, path), data


def as_json(metadata: Metadata) -> dict[str, Any]:
    """The metadata of a model, as a file holds it: JSON, which has lists and no tuples."""
    from tlf.runtime.strict_json import dumps  # a head is loaded without it

    about = asdict(metadata)
    # As in files of runs without them: an older tlf refuses a file with a key that it lacks.
    usual = {"prepare": (), "depth": 8, "decoder": "pillow", "reduced": False}
    for key, value in usual.items():
        if getattr(metadata.preprocessing, key) == value:
            del about["preprocessing"][key]
    for key in ("calibrated", "unlike"):
        if about[key] is None:
            del about[key]
    channels = metadata.preprocessing.channels
    about["preprocessing"]["mode"] = {1: "L", 3: "RGB"}.get(channels, f"{channels} channels")
    read: dict[str, Any] = json.loads(dumps(about))
    return read


def from_json(about: Mapping[str, Any], path: Path) -> Metadata:
    """What ``as_json`` returned, out of a file.

    Raises:
        RunError: a newer tlf wrote it.
        WeightsError: it is incomplete or unknown.
    """
    try:
        preprocessing = dict(about["preprocessing"])
        del preprocessing["mode"]  # the length of mean and std says it
        if missing := [key for key in _PREPARED if key not in preprocessing]:
            raise KeyError(f"preprocessing.{missing[0]}")
        metadata = Metadata(**{**about, "classes": tuple(about["classes"]),
                       "preprocessing": read_preprocessing(preprocessing),
                       "changed_by": _names(about.get("changed_by"))})  # fmt: skip
        _check(metadata)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} has incomplete or unknown metadata: {error}") from error
    if metadata.task != FIRST_TASK:
        check_task(path, metadata.task)
    return metadata


def _check(metadata: Metadata) -> None:
    """Check the types of all values: a file may come from anybody.

    Raises:
        ValueError: names the key whose value cannot be used.
    """
    texts: dict[str, object]
    texts = {"classifier": metadata.classifier, "tlf": metadata.tlf, "task": metadata.task,
             "precision": metadata.precision}  # fmt: skip
    for part, keys in (("head", ("kind",)), ("backbone", ("kind", "sha256"))):
        table = _table(part, getattr(metadata, part))
        texts |= {f"{part}.{key}": table.get(key) for key in keys}
    texts |= {f"plugins.{k}": v for k, v in _table("plugins", metadata.plugins).items()}
    _table("metrics", metadata.metrics)
    _table("backbone.config", metadata.backbone.get("config", {}))
    if metadata.unlike is not None:
        texts["unlike"] = metadata.unlike
    if metadata.calibrated is not None:
        calibrated = _check_calibrated(metadata.calibrated)
        texts["calibrated.source"] = calibrated["source"]
        thresholds = calibrated.get("thresholds")
        check_thresholds("calibrated.thresholds", thresholds, len(metadata.classes))
    for key, text in texts.items():
        if not isinstance(text, str) or len(text) > LONGEST_TEXT:
            raise ValueError(
                f"{key} must be a text of at most {LONGEST_TEXT} characters, got {text!r:.60}"
            )
    if not metadata.classes or not all(isinstance(name, str) for name in metadata.classes):
        raise ValueError(f"classes must be a list of names, got {metadata.classes!r:.60}")
    if type(metadata.num_features) is not int or metadata.num_features < 1:
        raise ValueError(f"num_features must be above 0, got {metadata.num_features!r:.60}")


def _check_calibrated(value: object) -> Mapping[str, Any]:
    """Check the numbers; return the table."""
    table = _table("calibrated", value)
    if table.keys() - {"thresholds"} != _CALIBRATED:
        raise ValueError(f"calibrated must have {sorted(_CALIBRATED)}, got {[*table]!r:.100}")
    for key in ("temperature", "coverage", "threshold"):
        number = table[key]
        if key == "threshold" and number is None:
            continue
        if not isinstance(number, int | float) or not 0 <= number < 1000:  # NaN is not
            raise ValueError(f"calibrated.{key} must be a number from 0 on, got {number!r:.60}")
        if number == 0 and key != "threshold":
            raise ValueError(f"calibrated.{key} must be a number above 0, got 0")
    if type(table["images"]) is not int:
        raise ValueError(f"calibrated.images must be a number, got {table['images']!r:.60}")
    return table


def check_thresholds(key: str, value: object, classes: int) -> None:
    """Check the thresholds of a file.

    Raises:
        ValueError: they are no probabilities, or not one for each class.
    """
    if value is None:
        return
    numbers = value if isinstance(value, list | tuple) else ()
    fine = all(isinstance(one, int | float) and 0 <= one <= 1 for one in numbers)
    if not fine or len(numbers) != classes:
        raise ValueError(
            f"{key} must be a list of numbers from 0 to 1, one for each class, got {value!r:.60}"
        )


def _names(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"changed_by must be a list of names, got {value!r:.60}")
    return tuple(value)


def _table(key: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{key} must be a table, got {value!r:.60}")
    return value


def check_task(path: Path, task: str) -> None:
    """Check that this tlf knows the task of a file.

    Raises:
        RunError: a newer tlf wrote it.
    """
    from tlf.tasks import TASKS

    if task not in TASKS:
        known = ", ".join(TASKS)
        raise RunError(
            f"the task of {path} must be one of {known}, got {task!r}; upgrade: pip install -U tlf"
        )
