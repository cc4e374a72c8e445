"""The story of a run."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from torch import Tensor

import tlf
from tlf.checkpoint import Card, backbone_sha256, save_head, save_model
from tlf.data import Pictures
from tlf.devices import start_accelerator
from tlf.folders import new_run_folder, written_whole
from tlf.job import Job, open_job, read_plan
from tlf.pictures import normalize
from tlf.predictions import write_csv
from tlf.provenance import provenance
from tlf.recipe import dump
from tlf.results import EpochResult, Notice, RunResult
from tlf.trainer import Event, State, train


@dataclass(frozen=True)
class RunStarted:
    """A run has its folder and is about to train."""

    folder: Path
    job: Job


def run(path: Path, overrides: Sequence[str] = ()) -> Iterator[RunStarted | Event | RunResult]:
    """Train what a recipe describes, and yield what happens.

    Raises:
        TlfError: anything that the user can cause; nothing is written if it is found before
    training.
    """
    started = time.perf_counter()
    plan = read_plan(path, overrides)
    accelerator = start_accelerator(plan.recipe.precision)
    job = open_job(plan, accelerator)
    folder = _agreed_folder(job)
    yield RunStarted(folder, job)
    yield from (Notice(note) for note in job.notes)
    _write_beginning(folder, job)
    state = State()
    for event in train(job, state):
        if isinstance(event, EpochResult):
            _note_epoch(folder, job, event)
        yield event
    result = _write_end(folder, job, state, time.perf_counter() - started)
    yield result


def _agreed_folder(job: Job) -> Path:
    """Make the run folder in one process and tell the others."""
    name = [str(new_run_folder(job.recipe.output)) if job.accelerator.is_main_process else ""]
    if job.accelerator.num_processes > 1:
        broadcast_object_list(name)
    return Path(name[0])


def _write_beginning(folder: Path, job: Job) -> None:
    if job.accelerator.is_main_process:
        _write(folder / "recipe.toml", dump(job.recipe, job.plan.plugins.catalogue))
        _write(folder / "provenance.json", json.dumps(provenance(job), indent=2) + "\n")


def _note_epoch(folder: Path, job: Job, result: EpochResult) -> None:
    if job.accelerator.is_main_process:
        with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        job.hook.tlf_epoch_ended(result=result)


def _write_end(folder: Path, job: Job, state: State, seconds: float) -> RunResult:
    best = state.best
    if best is None:
        raise RuntimeError("a run without an epoch")
    result = RunResult(str(folder), best.result, tuple(state.history), seconds)
    if job.accelerator.is_main_process:
        card = _card(job, best.result)
        save_model(folder / "model.safetensors", job.classifier, card)
        save_head(folder / "head.safetensors", job.classifier, card, _golden_features(job))
        with written_whole(folder / "predictions.csv") as side:
            split = job.splits.eval
            write_csv(side, split.names, best.predictions.probabilities, job.splits.classes,
                      best.predictions.labels)  # fmt: skip
        job.hook.tlf_run_ended(result=result)
    job.accelerator.wait_for_everyone()
    job.accelerator.end_training()
    return result


def _card(job: Job, best: EpochResult) -> Card:
    catalogue = job.plan.plugins.catalogue
    return Card(
        classes=job.splits.classes,
        preprocessing=job.how,
        head=_identity(catalogue.offer(job.recipe.head).kind, job.recipe.head),
        backbone=_identity(catalogue.offer(job.recipe.backbone).kind, job.recipe.backbone)
        | {"sha256": backbone_sha256(job.classifier)},
        classifier=job.built.classifier,
        metrics={name: getattr(best, name) for name in ("eval_top1", "eval_loss")},
        tlf=tlf.__version__,
    )


def _identity(kind: str, component: object) -> dict[str, Any]:
    options = {field.name: getattr(component, field.name) for field in fields(component)}  # type: ignore[arg-type]
    return {"kind": kind, **options}


def _golden_features(job: Job) -> Tensor:
    """What the head is given for the first picture of the eval split."""
    _, image, _ = Pictures(job.splits.eval, job.how)[0, 0]
    images = normalize(image[None].to(job.accelerator.device), job.how)
    with torch.inference_mode():
        return job.classifier.eval().features(images).float()


def _write(path: Path, text: str) -> None:
    with written_whole(path) as side:
        side.write_text(text, encoding="utf-8")
