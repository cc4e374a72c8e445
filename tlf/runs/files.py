"""The files that a run writes to its folder, and when."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import tlf
from tlf.data.transforms import normalize
from tlf.events import SegmentStarted
from tlf.inference.calibrated import Calibrated
from tlf.inference.metadata import Metadata, as_json
from tlf.inference.model_files import backbone_sha256, save_head, save_model
from tlf.inference.predictions import write_csv
from tlf.inference.tables.groups import remove_groups, write_groups
from tlf.inference.train_images import FILE, TrainImages, save_train_images
from tlf.recipe.files import dump
from tlf.recipe.tables import table
from tlf.results import EVAL, EpochResult, RunResult, for_plugins
from tlf.runs.changes import Changes
from tlf.runs.history import SEGMENTS, append_epoch, rewrite_history
from tlf.runs.provenance import next_chapter, provenance
from tlf.runs.stored_embeddings import note_embeddings
from tlf.runtime.files import remove_parts, write_whole, writing, written_whole
from tlf.runtime.strict_json import dumps
from tlf.training.best_epoch import BestEpoch
from tlf.training.checkpoint.state_file import discard, remove_model
from tlf.training.evaluation import Predictions
from tlf.training.features import eval_images
from tlf.training.job import Job
from tlf.training.reuse.backbone import remembered
from tlf.training.state import State


def write_beginning(folder: Path, job: Job) -> None:
    """Write provenance.json, the groups of the eval images and the resolved recipe."""
    if job.accelerator.is_main_process:
        _write_groups(folder, job)
        _write_provenance(folder, provenance(job))
        # Last: a folder that has this file holds a run that can be resumed.
        write_recipe(folder, job)


def write_chapter(folder: Path, job: Job, epochs: int, changes: Changes) -> None:
    """Write the changes that a run is resumed with, after so many epochs, and the new recipe."""
    if job.accelerator.is_main_process:
        # Last: a run that is killed between the two is resumed with --changed once more.
        _write_groups(folder, job)
        write_recipe(folder, job)
        _write_provenance(folder, next_chapter(changes, job, epochs))


def _write_groups(folder: Path, job: Job) -> None:
    """Write which eval images belong together, as the recipe says: figures of them need it. Where
    it no longer says so, the table goes.
    """
    evaluated = job.splits.eval
    if evaluated.groups is None:
        remove_groups(folder)
    else:
        write_groups(folder, evaluated.names, evaluated.groups)


def _write_provenance(folder: Path, content: Mapping[str, Any]) -> None:
    write_whole(folder / "provenance.json", dumps(content, indent=2) + "\n")


def write_recipe(folder: Path, job: Job) -> None:
    """Write the resolved recipe."""
    if job.accelerator.is_main_process:
        write_whole(folder / "recipe.toml", dump(job.recipe, job.plan.plugins.catalogue))


def record_epoch(folder: Path, job: Job, result: EpochResult) -> None:
    """Add a line to metrics.jsonl, and call the plugins."""
    if job.accelerator.is_main_process:
        append_epoch(folder, result)
        (given,) = for_plugins([result])
        job.hook.tlf_epoch_ended(result=given)


def rewrite_epochs(folder: Path, job: Job, history: Sequence[EpochResult]) -> None:
    """Keep only the epochs of ``history``: a killed run may have written later ones, and incomplete
    files.
    """
    if job.accelerator.is_main_process:
        remove_parts(folder)
        rewrite_history(folder, history)


def write_segments(folder: Path, job: Job, segments: Sequence[SegmentStarted]) -> None:
    """Write a line for each segment: its start, what trains at which rate, and its audit."""
    if job.accelerator.is_main_process:
        lines = [dumps(asdict(segment)) + "\n" for segment in segments]
        write_whole(folder / SEGMENTS, "".join(lines))


@dataclass(frozen=True)
class Learnt:
    """What is known of the best model, besides its weights."""

    calibrated: Calibrated
    train_images: TrainImages | None
    """Where the run stores them."""


def write_end(
    folder: Path,
    job: Job,
    state: State,
    learnt: Learnt,
    seconds: float,
    stopped: str | None = None,
) -> RunResult:
    """Write the best model and its predictions on the eval split.

    Parameters:
        folder: the folder of the run.
        job: the job; its model has the weights of the best epoch.
        state: the state; its stored file stays where the run may go on from it.
        learnt: what else is known of the model.
        seconds: how long the run took.
        stopped: where and why it was stopped on request.
    """
    best = state.best
    if best is None:
        raise RuntimeError("a run without an epoch")
    *earlier, last = state.history
    history = (*earlier, replace(last, stopped=stopped))
    result = RunResult(str(folder), best.result, history, seconds, stopped)
    if job.accelerator.is_main_process:
        remove_model(folder)
        rewrite_history(folder, history)
        _write_model(folder, job, best, learnt, state.changed)
        note_embeddings(folder, job, state)
        if stopped is None and not job.recipe.keep_state:
            discard(folder)
        job.hook.tlf_run_ended(result=result)
    job.accelerator.wait_for_everyone()
    job.accelerator.end_training()
    return result


def _write_model(
    folder: Path, job: Job, best: BestEpoch, learnt: Learnt, trained: Collection[str]
) -> None:
    """Write the files of the best epoch. ``trained``: names of the tensors that may have changed;
    audits have shown that no other has.
    """
    job.hook.tlf_model_trained(model=job.classifier)
    metadata = replace(
        _metadata(job, best.result, trained),
        calibrated=learnt.calibrated.as_json(),
        unlike=_write_train_images(folder / FILE, learnt.train_images),
    )
    save_head(folder / "head.safetensors", job.classifier, metadata, _golden(job, metadata))
    thresholds = learnt.calibrated.thresholds
    _write_predictions(folder / "predictions.csv", job, best.predictions, thresholds)
    # Last: a folder that has this file has all files of one best epoch.
    save_model(folder / "model.safetensors", job.classifier, metadata)


def about_model(job: Job) -> Mapping[str, Any]:
    """What a stored state says about the model, so that it can be used while the run is stopped."""
    return as_json(_described(job))


def _write_predictions(
    predictions: Path, job: Job, best: Predictions, thresholds: Sequence[float] | None
) -> None:
    with writing(predictions), written_whole(predictions) as path:
        write_csv(
            path,
            job.splits.eval.names,
            job.task.probabilities(best.logits),
            job.splits.classes,
            best.labels,
            job.task,
            thresholds,
        )


def _write_train_images(path: Path, images: TrainImages | None) -> str | None:
    """Write them, where the run stores them; the SHA-256 by which a head names the file."""
    return None if images is None else save_train_images(path, images, tlf.__version__)


def _metadata(job: Job, best: EpochResult, trained: Collection[str]) -> Metadata:
    described = _described(job)
    changed = job.plan.plugins.changing or any(n.startswith("backbone.") for n in trained)
    sha256 = backbone_sha256(job.classifier) if changed else job.backbone_sha256
    return replace(
        described,
        backbone={**described.backbone, "sha256": sha256},
        metrics={f"{EVAL}{name}": figure for name, figure in best.metrics.items()},
    )


def _described(job: Job) -> Metadata:
    """The metadata of the model before it is trained."""
    catalogue = job.plan.plugins.catalogue
    head, backbone = catalogue.offer(job.recipe.head), catalogue.offer(job.recipe.backbone)
    plugins = job.plan.plugins
    transforms = map(catalogue.offer, job.recipe.transforms.prepare)
    used = {offer.plugin.name for offer in (head, backbone, *transforms)}
    needed = {*used, *(n.split(":")[0] for n in plugins.changing)}
    return Metadata(
        task=job.recipe.task,
        classes=job.splits.classes,
        preprocessing=job.preprocessing,
        head={"kind": head.kind} | table(job.recipe.head, catalogue),
        backbone={"kind": backbone.kind}
        | table(job.recipe.backbone, catalogue)
        | {"sha256": job.backbone_sha256, "config": dict(job.built.config)},
        num_features=job.built.num_features,
        classifier=job.built.classifier,
        metrics={},
        plugins={
            plugin.name: f"{plugin.distribution} {plugin.version}"
            for plugin in plugins.loaded
            if plugin.name in needed - {"tlf"}
        },
        tlf=tlf.__version__,
        precision=job.accelerator.mixed_precision,
        changed_by=plugins.changing,
    )


def _golden(job: Job, metadata: Metadata) -> Tensor:
    """The head's input for the first image of the eval split. ``metadata``: of the model."""
    _, image, _ = eval_images(job)[0, 0]
    images = normalize(image[None].to(job.accelerator.device), job.preprocessing)
    classifier = job.classifier.eval()
    features_of = remembered(job.probe_answers, classifier, str(metadata.backbone["sha256"]))
    with torch.inference_mode():
        return features_of(images).float()
