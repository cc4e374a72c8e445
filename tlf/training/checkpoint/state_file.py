"""The last state of a run, and how to go on from it: one safetensors file, renamed when it is
whole.

Only tensors that may have changed since the weights were loaded are stored; the digests of all
others are, so that going on from other weights is refused. Optimizer state is stored by parameter
name. There is no random state to store (see ``tlf.runtime.seeds``).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from tlf.errors import RunError, TrainingError
from tlf.results import SegmentStarted, epoch_line, epoch_result
from tlf.runtime.files import written_whole
from tlf.training.best_epoch import BestEpoch
from tlf.training.checkpoint.optimizer import laid_out, optimizer_contents, restore_optimizer
from tlf.training.checkpoint.packing import pack, unpack
from tlf.training.ema import Ema
from tlf.training.evaluation import Predictions
from tlf.training.features import apart, largest_piece
from tlf.training.job import Job
from tlf.training.loss_meter import LossMeter
from tlf.training.phases import learning_rates
from tlf.training.segment import Segment, begin_segment
from tlf.training.state import State

FORMAT = 2


def state_file(folder: Path) -> Path:
    """Where the last state of a run is."""
    return folder / "resume" / "state.safetensors"


def discard(folder: Path) -> None:
    """Remove the stored state of a run that has ended."""
    state_file(folder).unlink(missing_ok=True)
    if state_file(folder).parent.is_dir():
        state_file(folder).parent.rmdir()


def save(path: Path, job: Job, state: State) -> None:
    """Write the state, in one process for all. The state before it stays until this one is whole.

    Raises:
        OSError: it cannot be written, because the disk is full for example.
        TrainingError: the optimizer keeps what no file can hold.
    """
    losses = gather_object([0.0 if state.losses is None else float(state.losses.total.item())])
    if not job.accelerator.is_main_process:
        return
    tensors: dict[str, Tensor] = {}
    try:
        text = pack(_contents(job, state) | {"losses": losses}, "state", tensors)
    except TypeError as error:
        raise _unstorable(job, state, error) from error
    stored = {name: _own_memory(tensor) for name, tensor in tensors.items()}
    path.parent.mkdir(exist_ok=True)
    with written_whole(path) as side:
        save_file(stored, side, metadata={"tlf": json.dumps(text)})


def restore(path: Path, job: Job) -> State:
    """Put a stored state into the job's model and optimizer.

    Raises:
        RunError: the stored state is damaged, or of another backbone or number of processes.
    """
    stored = _read(path)
    if len(stored["losses"]) != job.accelerator.num_processes:
        raise RunError(
            f"the run was stopped on {len(stored['losses'])} processes and cannot go on bit for "
            f"bit on {job.accelerator.num_processes}; start as many"
        )
    names = set(stored["changed"])
    device = job.accelerator.device
    job.classifier.load_state_dict(_on(device, stored["model"]), strict=False)
    state = State(
        segments=[SegmentStarted(**segment) for segment in stored["segments"]],
        history=[epoch_result(result) for result in stored["history"]],
        phase=stored["phase"],
        epoch=stored["epoch"],
        update=stored["update"],
        changed=names,
    )
    state.signals.count, state.signals.sums = stored["signals"]["count"], stored["signals"]["sums"]
    state.phase_best = _kept(stored["phase_best"], device)
    state.best = _kept(stored["best"], device)
    if stored["done"]:
        where = f"phase {job.recipe.phases[state.phase].name}, epoch {state.epoch + 1}"
        state.losses = LossMeter(device, where)
        state.losses.done = stored["done"]
        state.losses.total += stored["losses"][job.accelerator.process_index]
    _restore_segment(stored, job, state)
    return state


def _contents(job: Job, state: State) -> dict[str, Any]:
    model = job.classifier.state_dict()
    average = {} if state.average is None else dict(state.average.tensors)
    if state.average is not None and state.average.is_inside:
        average, model = {n: model[n] for n in average}, {**model, **average}
    return {
        "format": FORMAT,
        "phase": state.phase,
        "epoch": state.epoch,
        "update": state.update,
        "done": 0 if state.losses is None else state.losses.done,
        "signals": {"count": state.signals.count, "sums": state.signals.sums},
        "segments": [asdict(segment) for segment in state.segments],
        "history": [epoch_line(result) for result in state.history],
        "changed": sorted(state.changed),
        "model": {n: t for n, t in model.items() if n in state.changed},
        "average": average,
        "phase_best": _kept_contents(state.phase_best),
        "best": _kept_contents(state.best),
        "segment": None if state.segment is None else _segment_contents(state.segment),
        "scaler": None if job.accelerator.scaler is None else job.accelerator.scaler.state_dict(),
    }


def _kept_contents(kept: BestEpoch | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    return {
        "result": epoch_line(kept.result),
        "tensors": kept.tensors,
        "logits": kept.predictions.logits,
        "labels": kept.predictions.labels,
    }


def _kept(stored: dict[str, Any] | None, device: torch.device) -> BestEpoch | None:
    if stored is None:
        return None
    predictions = Predictions(stored["logits"], stored["labels"])
    return BestEpoch(epoch_result(stored["result"]), _on(device, stored["tensors"]), predictions)


def _segment_contents(segment: Segment) -> dict[str, Any]:
    return {
        "frozen": sorted(segment.frozen),
        "before": dict(segment.before),
        "optimizer": optimizer_contents(segment.optimizer),
    }


def _restore_segment(stored: dict[str, Any], job: Job, state: State) -> None:
    if stored["segment"] is None:
        return
    phase = job.recipe.phases[state.phase]
    before, frozen = stored["segment"]["before"], frozenset(stored["segment"]["frozen"])
    rates = learning_rates(job.classifier, phase, frozen)
    optimizer = phase.optimizer or job.recipe.optimizer
    segment = begin_segment(
        job.accelerator,
        job.classifier,
        frozen,
        rates,
        optimizer,
        image=apart(job.plan, phase, job.preprocessing),
        piece=largest_piece(job),
        compiled=job.recipe.compile,
    )
    for name, digest in segment.before.items():
        if name not in state.changed and before[name] != digest:
            raise RunError(
                f"{name} is not what it was when the run began: the backbone's weights are others. "
                "Put the old weights back, or start a new run"
            )
    own = dict(job.classifier.named_parameters())
    restore_optimizer(segment.optimizer, stored["segment"]["optimizer"], own)
    if job.accelerator.scaler is not None and stored["scaler"] is not None:
        job.accelerator.scaler.load_state_dict(stored["scaler"])
    state.segment = replace(segment, before=before)
    if phase.ema is not None:
        state.average = Ema(phase.ema)
        averages = _on(job.accelerator.device, stored["average"])
        state.average.tensors = {n: laid_out(t, own[n]) for n, t in averages.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            text = json.loads((file.metadata() or {})["tlf"])
        tensors = load_file(path)
    except (SafetensorError, KeyError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}; start the run anew") from error
    if text["format"] != FORMAT:
        raise RunError(f"{path} is of format {text['format']}, not {FORMAT}; start the run anew")
    state: dict[str, Any] = unpack(text, tensors)
    return state


def _own_memory(tensor: Tensor) -> Tensor:
    # safetensors refuses tensors that share memory, as kept copies and labels may.
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _on(device: torch.device, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _unstorable(job: Job, state: State, error: TypeError) -> TrainingError:
    optimizer = job.recipe.phases[state.phase].optimizer or job.recipe.optimizer
    kind = job.plan.plugins.catalogue.offer(optimizer).kind
    return TrainingError(
        f"the state of the run cannot be stored with the optimizer {kind!r}: {error}; "
        "use another optimizer"
    )
