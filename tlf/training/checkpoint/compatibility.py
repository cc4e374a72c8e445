"""Whether a stored state fits a recipe and images that have changed since it was stored."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from torch import Tensor

from tlf.errors import RunError
from tlf.training.job import Job
from tlf.training.state import State

_MOST_NAMED = 3
"""How many tensors a message names at most."""


def depends(job: Job, state: State) -> dict[str, Any]:
    """What a state depends on in the recipe and the images, to be stored with it."""
    return {
        "phases": [phase.name for phase in job.recipe.phases[: state.phase + 1]],
        "eval": job.manifests.get("eval"),
        "batches": _batches(job, state.phase),
        "optimizer": _optimizer(job, state.phase),
    }


def check_fits(stored: Mapping[str, Any], job: Job) -> None:
    """Check that a run can continue from a stored state.

    Raises:
        RunError: names every difference that no run can continue with.
    """
    problems = [*_phase_problems(stored, job), *_model_problems(stored, job)]
    measured = stored["best"] is not None or stored["phase_best"] is not None
    if measured and stored["depends"]["eval"] != job.manifests.get("eval"):
        problems.append(
            "the eval split has changed, and the best epoch so far was measured on the old one"
        )
    if problems:
        raise RunError(
            "the run's stored state does not fit its recipe and images:\n"
            + "\n".join(f"  {line}" for line in problems)
            + "\nundo the changes, or start a new run"
        )


def has_other_batches(stored: Mapping[str, Any], job: Job) -> bool:
    """Whether the batches of an epoch are no longer those that the state counts its updates in."""
    return bool(stored["depends"]["batches"] != _batches(job, stored["phase"]))


def has_other_optimizer(stored: Mapping[str, Any], job: Job) -> bool:
    """Whether the optimizer is no longer the one whose state is stored."""
    return bool(stored["depends"]["optimizer"] != _optimizer(job, stored["phase"]))


def _batches(job: Job, phase: int) -> list[Any]:
    held_out = [job.recipe.calibration] if job.held_out else []
    sampler = job.recipe.phases[phase].sampler or job.recipe.sampler
    other = [] if sampler == "shuffled" else [sampler]
    return [job.recipe.seed, job.recipe.batch_size, job.manifests.get("train"), *held_out, *other]


def _optimizer(job: Job, phase: int) -> str:
    component = job.recipe.phases[phase].optimizer or job.recipe.optimizer
    options = {f.name: getattr(component, f.name) for f in fields(component)}  # type: ignore[arg-type]
    return repr((job.plan.plugins.catalogue.offer(component).kind, options))


def _phase_problems(stored: Mapping[str, Any], job: Job) -> Iterator[str]:
    begun = stored["depends"]["phases"]
    now = [phase.name for phase in job.recipe.phases]
    if now[: len(begun)] != begun:
        yield (
            f"the run has begun the phases {', '.join(begun)}; the recipe's phases must begin with "
            f"these, got {', '.join(now)}"
        )


def _model_problems(stored: Mapping[str, Any], job: Job) -> Iterator[str]:
    classifier = job.classifier
    model = dict([*classifier.named_parameters(), *classifier.named_buffers()])
    before = {} if stored["segment"] is None else stored["segment"]["before"]
    held = {**dict.fromkeys(before), **stored["model"]}
    found = [
        *(f"{name} is no longer there" for name in held if name not in model),
        *(f"{name} is new" for name in model if before and name not in before),
        *(
            f"{name} was {_shape(tensor)} and is {_shape(model[name])}"
            for name, tensor in stored["model"].items()
            if name in model and tensor.shape != model[name].shape
        ),
    ]
    if found:
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        yield (
            "the backbone, the head or the number of classes is another: "
            f"{', '.join(found[:_MOST_NAMED])}{more}"
        )


def _shape(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a single number"
