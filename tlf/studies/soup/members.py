"""The runs of a soup: their models, and the check that these can be averaged.

Weights that were trained from one start lie close together, and so does their mean. Weights from
different starts do not: their mean is no model. The same holds for heads.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import Any

from tlf.errors import RunError, itemized
from tlf.inference.metadata import Metadata, as_json, read_metadata
from tlf.inference.model_files import recorded_eval_images
from tlf.inference.stopped import model_files
from tlf.runs.changes import TRAINING_ONLY
from tlf.runs.folder import check_is_run, read_provenance
from tlf.runtime.files import absolute
from tlf.runtime.text import printable, shortened

FEWEST = 2
"""Runs of a soup, at least."""

_ORIGIN = {"weights", "weights_key", "sha256"}
"""Keys of a backbone that say where its weights come from: the hash of the start is compared."""

_ADVICE = 'train the runs from one model: start_from = "runs/probe" in each recipe'


@dataclass(frozen=True)
class Member:
    """A run, and its best model."""

    run: Path
    """Its folder, as it was given."""
    model: Path
    """The file of its model; a temporary one where the run has not written any yet."""
    sha256: str
    """Of that file."""
    metadata: Metadata = field(repr=False)
    recorded: Mapping[str, Any] = field(repr=False)
    """Its provenance.json."""

    @property
    def files(self) -> Path:
        """The folder of that file: the model stays the same, although the run may go on."""
        return self.model.parent

    @property
    def start(self) -> Mapping[str, Any]:
        """What provenance.json says of the run as it began."""
        earlier = self.recorded.get("earlier")
        first = earlier[0] if isinstance(earlier, list) and earlier else self.recorded
        return first if isinstance(first, Mapping) else {}

    @property
    def eval_images(self) -> str | None:
        """SHA-256 of its eval images; None where it is not recorded."""
        return recorded_eval_images(self.run)


def open_members(runs: Sequence[Path], exits: ExitStack) -> tuple[Member, ...]:
    """The best models of runs that can be averaged.

    Parameters:
        runs: their folders.
        exits: removes temporary files when it is closed.

    Raises:
        RunError: there is only one run, one is named twice, one has no model, or they do not share
            their start. The error names all that differs.
        WeightsError: a model is damaged.
    """
    if len(runs) < FEWEST:
        raise RunError(
            f"a soup must be of {FEWEST} runs or more, got {len(runs)}; name another run that has "
            "the same start"
        )
    _check_different("run", [(str(absolute(run).resolve()), run) for run in runs])
    for run in runs:
        check_is_run(run)
    members = tuple(_opened(run, exits) for run in runs)
    _check_different("model", [(member.sha256, member.run) for member in members])
    problems = [
        f"{member.run}: {text}" for member in members[1:] for text in _misfits(members[0], member)
    ]
    if problems:
        title = f"the runs of a soup must differ in nothing but training; beside {members[0].run}"
        raise RunError(itemized(title, problems))
    return members


def _opened(run: Path, exits: ExitStack) -> Member:
    model = exits.enter_context(model_files(run)) / "model.safetensors"
    metadata = read_metadata(model)
    with model.open("rb") as file:
        sha256 = file_digest(file, "sha256").hexdigest()
    return Member(run, model, sha256, metadata, read_provenance(run))


def _check_different(what: str, pairs: Sequence[tuple[str, Path]]) -> None:
    """Check that nothing is averaged twice.

    Raises:
        RunError: something is.
    """
    seen: dict[str, Path] = {}
    for key, run in pairs:
        if key in seen:
            first = f"{seen[key]} and {run}" if seen[key] != run else f"{run} twice"
            raise RunError(
                f"the runs of a soup must be different, got the same {what} in {first}; leave "
                "one out"
            )
        seen[key] = run


def _misfits(one: Member, other: Member) -> Iterator[str]:
    """Why the weights of two runs cannot be averaged."""
    first, second = _described(one.metadata), _described(other.metadata)
    for key in dict.fromkeys([*first, *second]):
        if first.get(key) != second.get(key):
            wanted, got = (_text(facts.get(key)) for facts in (first, second))
            yield f"{key} must be {wanted}, got {got}"
    yield from _starts(one, other)
    if one.eval_images is None or one.eval_images != other.eval_images:
        yield "its eval images must be the same, to the byte, with the same labels"


def _starts(one: Member, other: Member) -> Iterator[str]:
    """In what the starts of two runs differ."""
    for part in ("backbone", "head"):
        key = f"{part}_sha256"
        first, second = one.start.get(key), other.start.get(key)
        if first is None or second is None:
            which = one.run if first is None else other.run
            yield (
                f"the weights that its {part} started from must be known, and an older tlf has not "
                f"recorded them in {which}; train that run again"
            )
        elif first != second:
            yield f"its {part} must have started from the same weights, got others; {_ADVICE}"


def _described(metadata: Metadata) -> dict[str, Any]:
    """What has to be the same in all models, beside their start: name → value."""
    about = as_json(metadata)
    backbone = {key: value for key, value in about["backbone"].items() if key not in _ORIGIN}
    tables = {"backbone": backbone, "head": about["head"], "preprocessing": about["preprocessing"]}
    return {
        **{key: about[key] for key in ("task", "classes", "precision")},
        "the plugins that change the model": about["changed_by"],
        **{
            f"{name}.{key}": value
            for name, table in tables.items()
            for key, value in table.items()
            if key not in TRAINING_ONLY
        },
    }


def _text(value: object) -> str:
    """A value, for a message."""
    if isinstance(value, list):
        value = ", ".join(map(str, value)) or "none"
    return shortened(printable(str(value)), 60)


def origin(member: Member, weight: float) -> dict[str, Any]:
    """What provenance.json says of a run of a soup, and of its share in the mean."""
    recorded = member.recorded
    return {
        "run": str(absolute(member.run)),
        "weight": weight,
        "model_sha256": member.sha256,
        "metrics": dict(member.metadata.metrics),
        **{key: recorded.get(key) for key in ("recipe_sha256", "data_sha256")},
        "started_from": recorded.get("started_from", []),
    }
