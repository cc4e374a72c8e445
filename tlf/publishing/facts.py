"""What the folder of a run says about its model, for people who have not trained it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tlf.errors import DataError, PluginError, RecipeError, RunError, in_shell
from tlf.evaluation.looks import Look, read_looks
from tlf.evaluation.models import sha256_of
from tlf.inference.metadata import Metadata, read_metadata
from tlf.publishing.licences import Licence, find_licence, first_backbone
from tlf.publishing.private import folders_in, public, public_metadata, public_provenance
from tlf.recipe.paths import is_on_disk
from tlf.recipe.plan import find_splits, read_plan
from tlf.reports.report import AnyReport, RunRecord
from tlf.reports.run_report import check_predicted, read_report, record_of
from tlf.runs.folder import check_is_run, check_trained, recorded_recipe
from tlf.runtime.regular_file import read_regular
from tlf.tasks import TASKS

_MOST_BYTES = 2**28
"""The most bytes of an evaluation.json that are read."""


@dataclass(frozen=True)
class OnTestSplit:
    """What the test split has shown of this very model, at the first look at it that was kept."""

    figures: Mapping[str, Any]
    """As evaluation.json has them, without what is private."""
    looks: tuple[Look, ...]
    """All looks at the test split of the run."""


@dataclass(frozen=True)
class Facts:
    """What is known of a run. ``report`` and ``run`` are as they are on this computer; all else is
    without what is private.
    """

    name: str
    report: AnyReport
    """The figures of the eval split."""
    run: RunRecord
    metadata: Metadata
    recipe: Mapping[str, Any]
    provenance: Mapping[str, Any]
    weights: str | None
    """The pretrained weights as a recipe names them, of the first run where this one started from
    another; empty where a plugin brings them, None where that run is not recorded."""
    licence: Licence
    trained: Mapping[str, int] | None
    """Class → its train images; None where the images are no longer those of the run."""
    tested: OnTestSplit | None
    looks: tuple[Look, ...]
    unlike: bool
    """Whether the run has stored train images to compare others with."""

    @property
    def data_name(self) -> str:
        """What the data set is called."""
        data = self.recipe.get("data", {})
        own = next((data[key] for key in ("name", "root", "csv", "file") if data.get(key)), None)
        return str(own or data.get("kind", "images"))


def read_facts(run: Path, licence: str | None = None) -> Facts:
    """Read the files of a run.

    Parameters:
        run: its folder.
        licence: what its author says of the licence.

    Raises:
        RunError: the folder holds no run that has ended, or a file of it is damaged.
        DataError: its predictions are damaged.
        WeightsError: its model is damaged.
    """
    check_is_run(run)
    check_trained(run)
    if not (run / "model.safetensors").is_file():
        raise RunError(
            f"the run in {run} has written no model yet; end it with its best model so far: "
            f"tlf stop {in_shell(run)}; or, if it was stopped, go on with: tlf resume "
            f"{in_shell(run)}"
        )
    check_predicted(run)
    metadata = read_metadata(run / "head.safetensors")
    record, recipe = record_of(run), recorded_recipe(run)
    folders = folders_in(recipe, run)
    looks = tuple(replace(one, under=public(one.under, folders)) for one in read_looks(run))
    provenance = public_provenance(record.provenance, recipe)
    first = first_backbone(recipe.get("backbone", {}), record.provenance.get("started_from", ()))
    return Facts(
        name=run.resolve().name,
        report=read_report(run, record),
        run=record,
        metadata=public_metadata(metadata),
        recipe=public(recipe),
        provenance=provenance,
        weights=str(public(first.get("weights", ""))) if first else None,
        licence=find_licence(first, licence),
        trained=_train_images(run, recipe, record.provenance),
        tested=_tested(run, looks, provenance.get("images", {}).get("test"), folders),
        looks=looks,
        unlike=metadata.unlike is not None,
    )


def _train_images(
    run: Path, recipe: Mapping[str, Any], provenance: Mapping[str, Any]
) -> dict[str, int] | None:
    """Class → its train images, if they can be listed here and are as many as the run has found."""
    try:
        plan = read_plan(run / "recipe.toml")
        if not is_on_disk(plan.recipe.data.dataset):
            return None  # no server is asked
        splits = find_splits(plan)
    except (DataError, PluginError, RecipeError):  # gone since, or moved: the card says so
        return None
    if len(splits.train) != provenance.get("images", {}).get("train"):
        return None
    task = TASKS[str(recipe.get("task"))]
    counts = task.class_counts(splits.train.labels, len(splits.classes))
    return dict(zip(splits.classes, counts, strict=True))


def _tested(
    run: Path, looks: tuple[Look, ...], images: int | None, folders: tuple[str, ...] = ()
) -> OnTestSplit | None:
    """The earliest evaluation of the test split that is kept, and is of this model. ``images``: how
    many the split has; ``folders``: those that its sentences may name.
    """
    if not looks:
        return None
    model = sha256_of(run)
    kept = [
        about
        for path in sorted((run / "evaluations").glob("*/evaluation.json"))
        if (about := _evaluation(path)).get("model_sha256") == model
        and _is_of_test_split(about, images)
    ]
    if not kept:
        return None
    earliest = min(kept, key=lambda about: len(about["looks"]))
    unsaid = [{k: v for k, v in look.items() if k != "command"} for look in earliest["looks"]]
    return OnTestSplit(public(earliest | {"looks": unsaid}, folders), looks)


def _is_of_test_split(about: Mapping[str, Any], images: int | None) -> bool:
    """Whether an evaluation.json is about the test split of the run's own recipe: other images are
    a look at it, too, where one test image is among them. ``images``: how many the split has.
    """
    if not (looks := about.get("looks")):
        return False
    if "test_split" in about:
        return about["test_split"] is True
    whole = looks[-1].get("under") is None and looks[-1].get("images") == images
    return whole and not str(about.get("data")).endswith(" with changed data")


def _evaluation(path: Path) -> dict[str, Any]:
    """The content of an evaluation.json.

    Raises:
        RunError: it is damaged.
    """
    try:
        content = json.loads(read_regular(path, _MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {error}; remove it, or evaluate again") from error
    return content if isinstance(content, dict) else {}
