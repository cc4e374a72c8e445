"""The last state of a run, from which it is resumed: one safetensors file.

It holds the tensors that may have changed since the weights were loaded, and digests of all others.
A run whose other tensors have changed is not resumed. The state of the optimizer is stored by
parameter name. There is no random state to store (see ``tlf.runtime.seeds``). The file holds its
own SHA-256, so a damaged one is not resumed either (see ``tlf.runtime.seal``).
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from safetensors.torch import save_file
from torch import Tensor

from tlf.epoch_lines import epoch_line, epoch_result
from tlf.errors import RunError, TrainingError
from tlf.events import segment_started
from tlf.model import restore_tensors
from tlf.recipe.schema import Phase
from tlf.runtime.files import written_whole
from tlf.runtime.processes import from_main
from tlf.runtime.seal import BLANK, DIGEST, seal
from tlf.runtime.stored.packing import pack
from tlf.runtime.stored.state import FORMAT, read_state, state_file
from tlf.runtime.strict_json import dumps
from tlf.training.best_epoch import BestEpoch
from tlf.training.checkpoint.compatibility import (
    check_fits,
    depends,
    has_other_batches,
    has_other_optimizer,
)
from tlf.training.checkpoint.extensions import gather_states, restore_states
from tlf.training.checkpoint.optimizer import laid_out, optimizer_contents, restore_optimizer
from tlf.training.ema import Ema
from tlf.training.evaluation import Predictions
from tlf.training.finite import check_finite, largest, require_finite, together
from tlf.training.job import Job
from tlf.training.loss_meter import LossMeter
from tlf.training.segments.segment import Segment, begin_segment, segment_setup
from tlf.training.state import State


def discard(folder: Path) -> None:
    """Remove the stored state of a finished run."""
    # What cannot be removed, such as the folder with a file of somebody else's, harms no result.
    with suppress(OSError):
        state_file(folder).unlink(missing_ok=True)
        state_file(folder).parent.rmdir()


def remove_model(folder: Path) -> None:
    """Remove the model's files of an earlier end, before other ones are written, or a state with a
    better epoch. So a model in a run's folder is the best one of the stored state.
    """
    for name in (
        "model.safetensors", "head.safetensors", "unlike.safetensors", "predictions.csv"
    ):  # fmt: skip
        (folder / name).unlink(missing_ok=True)


def save(path: Path, job: Job, state: State) -> None:
    """Write the state of all processes. The last state is only replaced by a complete file.

    All processes have to call this; the main process writes.

    Raises:
        NotFiniteError: a number in it is not finite. The last state stays.
        OSError: it cannot be written, for example because the disk is full.
        PluginError: an extension keeps what cannot be stored.
        TrainingError: the optimizer's state holds a value that cannot be stored.
    """
    check_finite(job, state)
    _check_optimizer(job, state)
    meter = state.losses or LossMeter()
    gathered = {
        "losses": gather_object([meter.total]),
        "correct": gather_object([[meter.correct, meter.classified]]),
        "extensions": gather_states(job.plan),
    }
    if not job.accelerator.is_main_process:
        return
    tensors: dict[str, Tensor] = {}
    try:
        text = pack(_contents(job, state) | gathered, "state", tensors)
    except TypeError as error:
        raise _unstorable(job, state, error) from error
    stored = _apart(tensors)
    path.parent.mkdir(exist_ok=True)
    with written_whole(path) as side:
        save_file(stored, side, metadata={"tlf": dumps({DIGEST: BLANK, **text})})
        seal(side)


def restore(path: Path, job: Job) -> State:
    """Load a stored state into the job's model, and return it with a new segment.

    Raises:
        RunError: the file is damaged, or does not fit the recipe, the images or the number of
            processes.
    """
    stored = from_main(lambda: read_state(path))
    expected = len(stored["losses"])
    if expected != job.accelerator.num_processes:
        raise RunError(
            f"the number of processes must be {expected}, as when the run was stopped, "
            f"got {job.accelerator.num_processes}; start {expected}"
        )
    check_fits(stored, job)
    names = set(stored["changed"])
    restore_tensors(job.classifier, stored["model"])
    state = State(
        segments=[segment_started(segment) for segment in stored["segments"]],
        history=[epoch_result(result) for result in stored["history"]],
        phase=stored["phase"],
        epoch=stored["epoch"],
        update=stored["update"],
        skipped=stored["skipped"],
        changed=names,
        about=stored["about"],
    )
    state.signals.count, state.signals.sums = stored["signals"]["count"], stored["signals"]["sums"]
    state.phase_best = _best_epoch(stored["phase_best"])
    state.best = _best_epoch(stored["best"])
    state.start = _best_epoch(stored["start"]) or state.best
    if stored["update"] and has_other_batches(stored, job):
        state.begin_epoch(state.phase, state.epoch)
        state.notes.append("the batches have changed: the interrupted epoch begins anew")
    elif stored["done"]:
        state.losses = LossMeter()
        rank = job.accelerator.process_index
        # A state that an older tlf stored does not say how many were correct.
        correct = stored.get("correct", [[0, 0]] * expected)[rank]
        state.losses.resume(stored["losses"][rank], stored["done"], *correct)
    _restore_segment(stored, job, state)
    process = job.accelerator.process_index
    state.notes += restore_states(job.plan, stored.get("extensions", {}), process)
    return state


def _contents(job: Job, state: State) -> dict[str, Any]:
    model = job.classifier.state_dict()
    averages = {} if state.ema is None else dict(state.ema.tensors)
    if state.ema is not None and state.ema.is_inside:
        # During an evaluation model and averages are swapped; they are stored unswapped.
        averages, model = {n: model[n] for n in averages}, {**model, **averages}
    return {
        "format": FORMAT,
        "depends": depends(job, state),
        "phase": state.phase,
        "ended": state.ended,
        "epochs": job.recipe.phases[state.phase].epochs,
        "early_stopping": _early_stopping(job.recipe.phases[state.phase]),
        "epoch": state.epoch,
        "update": state.update,
        "skipped": state.skipped,
        "done": 0 if state.losses is None else state.losses.done,
        "signals": {"count": state.signals.count, "sums": state.signals.sums},
        "segments": [asdict(segment) for segment in state.segments],
        "about": state.about,
        "history": [epoch_line(result) for result in state.history],
        "changed": sorted(state.changed),
        "model": {n: t for n, t in model.items() if n in state.changed},
        "average": averages,
        "averaged": 0 if state.ema is None else state.ema.updates,
        "phase_best": _best_contents(state.phase_best),
        "best": _best_contents(state.best),
        "best_so_far": _name_of_best(job, state),
        "eval_names": "\n".join(job.splits.eval.names),
        # Mostly it is the best epoch, which is not stored twice.
        "start": None if state.start is state.best else _best_contents(state.start),
        "segment": None if state.segment is None else _segment_contents(state.segment),
        "scaler": None if job.accelerator.scaler is None else job.accelerator.scaler.state_dict(),
    }


def _early_stopping(phase: Phase) -> dict[str, Any] | None:
    return None if phase.early_stopping is None else asdict(phase.early_stopping)


def _name_of_best(job: Job, state: State) -> str | None:
    """The key of the best epoch so far: its weights are the model of a run that is stopped."""
    best = state.best_so_far(job.recipe.monitor)
    return None if best is None else "best" if best is state.best else "phase_best"


def _best_contents(best: BestEpoch | None) -> dict[str, Any] | None:
    if best is None:
        return None
    return {
        "result": epoch_line(best.result),
        "tensors": best.tensors,
        "logits": best.predictions.logits,
        "labels": best.predictions.labels,
    }


def _best_epoch(stored: dict[str, Any] | None) -> BestEpoch | None:
    if stored is None:
        return None
    predictions = Predictions(stored["logits"], stored["labels"])
    return BestEpoch(epoch_result(stored["result"]), stored["tensors"], predictions)


def _segment_contents(segment: Segment) -> dict[str, Any]:
    return {
        "frozen": sorted(segment.named),
        "before": dict(segment.before),
        "optimizer": optimizer_contents(segment.optimizer),
    }


def _restore_segment(stored: dict[str, Any], job: Job, state: State) -> None:
    if stored["segment"] is None:
        return
    phase = job.recipe.phases[state.phase]
    before, frozen = stored["segment"]["before"], frozenset(stored["segment"]["frozen"])
    try:
        setup = segment_setup(job, phase, frozen)
    except ValueError as error:
        raise RunError(f"the lr of phase {phase.name}: {error}; undo the change") from error
    segment = begin_segment(job.accelerator, job.classifier, setup)
    for name, digest in segment.before.items():
        # A tensor that was not stored has to come from the same pretrained weights as before.
        if name not in state.changed and before[name] != digest:
            raise RunError(
                f"{name} must be the same as when the run was started, and differs: the backbone "
                "has other weights; put the old weights back, or start a new run"
            )
    parameters = dict(job.classifier.named_parameters())
    if has_other_optimizer(stored, job):
        state.notes.append("the optimizer has changed: it starts without the state of the old one")
    else:
        restore_optimizer(segment.optimizer, stored["segment"]["optimizer"], parameters)
    if job.accelerator.scaler is not None and stored["scaler"] is not None:
        job.accelerator.scaler.load_state_dict(stored["scaler"])
    # The audit at the end compares with the start of the segment, not with the stored state.
    state.segment = replace(segment, before=before)
    if phase.ema is not None:
        state.ema = Ema(phase.ema, warmup=phase.ema_warmup)
        state.ema.updates = stored["averaged"]
        averages = _on(job.accelerator.device, stored["average"])
        state.ema.tensors = {n: laid_out(t, parameters[n]) for n, t in averages.items()}
        state.ema.follow(job.classifier, setup.rates)  # a changed recipe may average from here on


def _check_optimizer(job: Job, state: State) -> None:
    """Check what the optimizer keeps of gradients: it can overflow where no weight does.

    Raises:
        NotFiniteError: it is not finite.
    """
    kept = {} if state.segment is None else optimizer_contents(state.segment.optimizer)["state"]
    moments = {
        f"{key} of {name} in the optimizer": value
        for name, values in kept.items()
        for key, value in values.items()
        if isinstance(value, Tensor) and value.is_floating_point() and value.ndim and value.numel()
    }
    (figures,) = together(largest(moments.values()))
    require_finite(job, state, dict(zip(moments, figures, strict=True)))


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the host, each with memory of its own: safetensors refuses those that share
    it, as the labels of two best epochs do. Of others, which may be large, no copy is made.
    """
    found: dict[str, Tensor] = {}
    used: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu()
        memory = plain.untyped_storage()
        alone = memory.nbytes() == plain.nbytes and memory.data_ptr() not in used
        used.add(memory.data_ptr())
        own = alone and plain.is_contiguous()
        found[name] = plain if own else plain.clone(memory_format=torch.contiguous_format)
    return found


def _on(device: torch.device, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _unstorable(job: Job, state: State, error: TypeError) -> TrainingError:
    optimizer = job.recipe.phases[state.phase].optimizer or job.recipe.optimizer
    kind = job.plan.plugins.catalogue.offer(optimizer).kind
    return TrainingError(
        f"the state of the run cannot be stored with the optimizer {kind!r}: {error}; "
        "write another optimizer"
    )
