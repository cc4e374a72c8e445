"""What a run that goes on with a changed recipe can change, and what it says about it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlf.errors import RunError
from tlf.recipe.files import read_table
from tlf.recipe.overrides import given_keys
from tlf.recipe.plan import planned
from tlf.results import EpochResult, Progress
from tlf.runs.changes import FIXED, TRAINING_ONLY, Changes
from tlf.runs.history import read_history
from tlf.training.best_epoch import stalled
from tlf.training.job import Job
from tlf.training.phases import rate_factor
from tlf.training.state import State


def check_further(folder: Path, job: Job, state: State, changes: Changes, *, ended: bool) -> None:
    """Check that the keys that are given change nothing that is trained already, and that a run
    that has ended has something to train.

    Parameters:
        folder: the folder of the run.
        job: the run with its changed recipe.
        state: how far it is.
        changes: the changes of its recipe.
        ended: whether the run has trained all of its phases.

    Raises:
        RunError: names every key and the reason.
    """
    problems = [*_fixed(changes, state), *_trained(job, state, changes)]
    if problems:
        raise RunError(
            f"the run in {folder} cannot go on with these changes:\n"
            + "\n".join(f"  {line}" for line in problems)
            + "\nleave them out, or start a new run"
        )
    if ended and (reason := _nothing_left(job, state)):
        raise RunError(f"the run in {folder} has nothing to train: {reason}")


def recipe_from_best(folder: Path, overrides: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The recipe of a new run that trains a run further which has ended and has no state, and a
    sentence about it. It starts from the best model, in the last phase.

    Raises:
        RunError: an override changes a phase that has ended, or nothing would train.
        RecipeError: the recipe or the overrides are wrong.
    """
    path = folder / "recipe.toml"
    before, content = read_table(path), read_table(path, overrides)
    phases = planned(content, str(path)).recipe.phases
    number, name, keys = len(phases) - 1, phases[-1].name, given_keys(before, overrides)
    if ended := [k for k in keys if k.startswith("phases.") and not _below(k, f"phases.{number}")]:
        raise RunError(f"{ended[0]} cannot change: the phase has ended; change phases.{number}")
    trained = sum(result.phase == name for result in read_history(folder))
    more = phases[-1].epochs - trained
    if more < 1:
        raise RunError(
            f"the run in {folder} has nothing to train: phase {name} has trained its "
            f"{_epochs(trained)}; write phases.{number}.epochs={trained + 1} or more"
        )
    output = content["output"] if "output" in keys else str(folder)
    changes = {
        "output": output,
        "start_from": str(folder / "model.safetensors"),
        "phases": [{**content["phases"][-1], "epochs": more}],
    }
    note = (
        f"the run in {folder} has no state to go on from. A new run starts from its best model, "
        f"with a new optimizer and rate curve, and trains phase {name} for {_epochs(more, 'more ')}"
    )
    return {**content, **changes}, note


def change_notes(job: Job, state: State, changes: Changes) -> Iterator[str]:
    """What changes mean for a phase that has begun: a sentence each."""
    yield from _rate_notes(job, state, changes)
    yield from _augment_notes(job, state, changes)


def _rate_notes(job: Job, state: State, changes: Changes) -> Iterator[str]:
    """Where another number of epochs changes the rate curve of a phase that has begun: a sentence
    with the rate before and after.
    """
    key, phase = f"phases.{state.phase}", job.recipe.phases[state.phase]
    before = next((d.values[0] for d in changes.given if d.values and d.what == f"{key}.epochs"), 0)
    updates = -(-len(job.splits.train) // job.recipe.batch_size)
    made = state.epoch * updates + state.update
    other_curve = any(d.what.startswith(f"{key}.scheduler") for d in changes.given)
    goes_on = made > 0 and state.epoch < phase.epochs
    if not isinstance(before, int) or not before or not goes_on or other_curve:
        return
    history = tuple(r for r in state.history if r.phase == phase.name)
    last = Progress(
        (made - 1) // updates, before, (made - 1) % updates, updates, history, job.recipe.monitor
    )
    old = rate_factor(job.plan, phase, last)
    if old != rate_factor(job.plan, phase, replace(last, epochs=phase.epochs)):
        following = replace(last, epoch=state.epoch, epochs=phase.epochs, update=state.update)
        new = rate_factor(job.plan, phase, following)
        yield (
            f"{phase.name}: the rate curve is drawn anew over {_epochs(phase.epochs)}: the last "
            f"update had {old:.3g} × lr, the next one has {new:.3g} × lr"
        )


def _augment_notes(job: Job, state: State, changes: Changes) -> Iterator[str]:
    """A sentence where the rest of an interrupted epoch augments images in another way."""
    own, name = f"phases.{state.phase}.augment", job.recipe.phases[state.phase].name
    keys = ("transforms.augment", "transforms.crop_from", "cache.views", own)
    if state.update and any(change.what.startswith(keys) for change in changes.given):
        yield (
            f"{name}: images are augmented in another way from update {state.update + 1} of epoch "
            f"{state.epoch + 1} on"
        )


def _epochs(count: int, more: str = "") -> str:
    """A number of epochs.

    >>> _epochs(1), _epochs(2, "more ")
    ('1 epoch', '2 more epochs')
    """
    return f"{count} {more}epoch{'' if count == 1 else 's'}"


def _below(key: str, other: str) -> bool:
    return f"{key}.".startswith(f"{other}.")


def _fixed(changes: Changes, state: State) -> Iterator[str]:
    measured = (one for one in changes.given if TRAINING_ONLY.isdisjoint(one.what.split(".")))
    for change in measured:
        for key, reason in FIXED.items():
            if change.what.startswith(key) and (state.history or key == "output"):
                yield f"{change.since()}, but {reason}"


def _trained(job: Job, state: State, changes: Changes) -> Iterator[str]:
    names = [phase.name for phase in job.recipe.phases]
    for number in range(min(state.phase, len(names))):
        changed = [d.since() for d in changes.given if d.what.startswith(f"phases.{number}.")]
        if changed:
            following = names[number + 1] if number + 1 < len(names) else "the next phase"
            yield (
                f"{changed[0]}, but phase {names[number]} has ended, and {following} has started "
                "from its best epoch"
            )
    if state.phase < len(names) and job.recipe.phases[state.phase].epochs < state.epoch:
        phase = job.recipe.phases[state.phase]
        yield (
            f"phases.{state.phase}.epochs must be at least {state.epoch}, which are trained, got "
            f"{phase.epochs}"
        )


def _nothing_left(job: Job, state: State) -> str | None:
    """Why a run that has ended would train nothing; None where it would train."""
    phase, later = job.recipe.phases[state.phase], len(job.recipe.phases) > state.phase + 1
    if later:
        return None
    key = f"phases.{state.phase}"
    if phase.epochs <= state.epoch:
        return (
            f"phase {phase.name} has trained its {_epochs(state.epoch)}; write "
            f"{key}.epochs={state.epoch + 1} or more"
        )
    history: Sequence[EpochResult] = [r for r in state.history if r.phase == phase.name]
    if phase.early_stopping and stalled(phase.early_stopping, job.recipe.monitor, history):
        patience = phase.early_stopping.patience
        return (
            f"early_stopping has ended phase {phase.name} after {_epochs(state.epoch)}; write "
            f"{key}.early_stopping.patience={patience + 1} or more, too"
        )
    return None
