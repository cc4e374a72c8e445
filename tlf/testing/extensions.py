"""The contract of an extension, and of the hooks of a module: in a run that is killed and resumed
it does the same as in one that is not.
"""

import gc
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tlf.errors import RunError
from tlf.events import Updated
from tlf.inference.model_files import load_model
from tlf.pretrained.weights import fingerprint
from tlf.recipe.build import build_model
from tlf.recipe.plan import Plan
from tlf.results import EpochResult, RunResult
from tlf.runs.resume import resumed
from tlf.runs.run import run
from tlf.testing.contract import check_options, from_recipe, raising_only, require, to_recipe
from tlf.testing.tiny_run import UPDATES, tiny_plan

HOOK = "tlf_extensions"

KILLED = (2, 8)
"""After so many updates a run is killed: within an epoch of the first phase, and of the second."""

DECIDING = ("tlf_training_step", "tlf_select_best", "tlf_model_trained")
"""Hooks that may change what a run computes."""


def check_extension(extension: object, measured: Collection[str] = ()) -> None:
    """Check that an extension keeps its contract; or the module of a plugin, for its hooks.

    Its options survive a recipe, and its hooks do not change them. A small run with it ends. Runs
    that are killed after a few updates, and resumed, give the same weights, results and state as
    one that is not killed. Its state can be stored. Its hooks leave what they are given as it is,
    and only hooks that decide change what a run computes. The run's model can be loaded. Its
    ``tlf_run_failed`` does not fail.

    The hooks are really called: give options that write to a temporary folder, and with which
    ``tlf_stop`` lets the run reach its end.

    Parameters:
        extension: the component, with its options; or a module.
        measured: keys of its state whose values differ from run to run, such as seconds.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = "" if isinstance(extension, ModuleType) else check_options(extension, HOOK)
    with TemporaryDirectory(prefix="tlf-checked-") as folder, _older_objects_kept():
        runs = _Runs(extension, recipe, Path(folder))
        # What is kept outside of the state is what the last run left: here, another one.
        for updates in KILLED:
            runs.start(f"killed-{updates}", updates)
        whole = runs.start("whole", UPDATES + 1)
        _check_ended(extension, whole)
        _check_plain(runs, whole)
        for updates in KILLED:
            resumed = runs.resume(f"killed-{updates}")
            _check_same(extension, updates, (whole, resumed), measured)
        runs.check_model()
        runs.check_failure()


@dataclass(frozen=True)
class _Outcome:
    """What a run has computed, and the state that its extension has in the end."""

    history: tuple[EpochResult, ...]
    weights: str
    state: Mapping[str, Any]


@dataclass(frozen=True)
class _Runs:
    """Small runs in one folder, each with an extension of its own, as a new process has."""

    extension: object
    recipe: str
    folder: Path

    def plan(self, name: str) -> Plan:
        """The plan of a run."""
        if isinstance(self.extension, ModuleType):
            plan = tiny_plan(self.folder / name, hooks=self.extension)
        else:
            own = from_recipe(self.recipe, HOOK, type(self.extension))
            plan = tiny_plan(self.folder / name, extensions=[own])
        _watch(plan, self.extension)
        return plan

    def start(self, name: str, updates: int) -> _Outcome:
        """Start a run, and kill it after so many updates."""
        plan = self.plan(name)
        return self.outcome(plan, run(plan), updates)

    def resume(self, name: str) -> _Outcome:
        """Resume a run that was killed."""
        plan = self.plan(name)
        return self.outcome(plan, resumed(self.folder / name, lambda: plan), UPDATES + 1)

    def outcome(self, plan: Plan, events: Any, updates: int) -> _Outcome:  # noqa: ANN401
        """Train, for so many updates at most."""
        history: tuple[EpochResult, ...] = ()
        with raising_only(self.extension, "a small run"):
            history = _trained(events, updates)
        for extension in plan.recipe.extensions:
            require(
                to_recipe(extension, HOOK) == self.recipe,
                self.extension,
                "changes its own options",
                "options do not change: a run is resumed and loaded with those of its recipe",
            )
        weights = Path(plan.recipe.output, "model.safetensors")
        states = (vars(one).get("state", {}) for one in plan.recipe.extensions)
        return _Outcome(
            tuple(replace(result, seconds=0.0, images_per_second=0.0) for result in history),
            fingerprint(load_file(weights)) if history else "",
            next(states, {}),
        )

    def check_model(self) -> None:
        """Load the model of the whole run, as ``tlf predict`` does."""
        plan = self.plan("whole")
        with raising_only(self.extension, "tlf_model_trained, before the run's model is loaded"):
            _, model = build_model(plan, 2)
            plan.plugins.hook.tlf_model_trained(model=model)
            load_model(self.folder / "whole" / "model.safetensors", model)

    def check_failure(self) -> None:
        """Report an error, as where a run fails."""
        hook, folder = self.plan("failed").plugins.hook, self.folder / "failed"
        folder.mkdir()
        hook.tlf_run_started(folder=str(folder), resumed=False)
        with raising_only(self.extension, "tlf_run_failed"):
            hook.tlf_run_failed(folder=str(folder), error=RunError("an example of an error"))


@contextmanager
def _older_objects_kept() -> Iterator[None]:
    """Look for garbage among new objects only: each run does so, and torch alone has made many.

    What the program itself has excluded before stays so.
    """
    excluded = gc.get_freeze_count()
    gc.collect()  # what nothing needs any more would stay, too
    gc.freeze()
    try:
        yield
    finally:
        if not excluded:
            gc.unfreeze()


def _trained(events: Generator[object], updates: int) -> tuple[EpochResult, ...]:
    """The results of a run; none if it has more updates, after which it is killed."""
    for event in events:
        if isinstance(event, RunResult):
            return event.history
        updates -= isinstance(event, Updated) and not event.evaluating
        if not updates:
            next(events)  # the state after an update is stored before the next event
            events.close()
    return ()


def _watch(plan: Plan, extension: object) -> None:
    """Find out whether a hook changes what it is given to read."""
    given: list[object] = []

    def before(hook: str, _: object, arguments: Mapping[str, object]) -> None:
        given.append(deepcopy(_read_only(arguments)))

    def after(_: object, hook: str, __: object, arguments: Mapping[str, object]) -> None:
        require(
            given.pop() == _read_only(arguments),
            extension,
            f"changes what {hook} gives it",
            "what a hook is given is the engine's: it is read, and not changed",
        )

    plan.plugins.manager.add_hookcall_monitoring(before, after)


def _read_only(arguments: Mapping[str, object]) -> list[object]:
    return [arguments[name] for name in ("result", "history") if name in arguments]


def _check_ended(extension: object, whole: _Outcome) -> None:
    stopped = whole.history[-1].stopped
    require(
        stopped is None,
        extension,
        f"ends the small run: {stopped}",
        "a run that reaches its end is compared with runs that are killed; give options with which "
        "tlf_stop does not end it, and test apart that it ends one",
    )


def _check_plain(runs: _Runs, whole: _Outcome) -> None:
    """Compare with a run without the extension, where none of its hooks decides."""
    hook = runs.plan("whole").plugins.hook
    if any(getattr(hook, name).get_hookimpls() for name in DECIDING):
        return
    plan = tiny_plan(runs.folder / "plain")
    plain = runs.outcome(plan, run(plan), UPDATES + 1)
    require(
        (whole.history, whole.weights) == (plain.history, plain.weights),
        runs.extension,
        "changes what the run computes",
        f"only {', '.join(DECIDING)} change it; all other hooks look on",
    )


def _check_same(
    extension: object, updates: int, outcomes: tuple[_Outcome, _Outcome], measured: Collection[str]
) -> None:
    whole, resumed = outcomes
    when = f"in a run that was killed after {updates} updates and resumed"
    keys = [key for key in {**whole.state, **resumed.state} if key not in measured]
    other = next((k for k in keys if not _equal(whole.state.get(k), resumed.state.get(k))), None)
    require(
        other is None,
        extension,
        f"has another state[{other!r}] {when}",
        "what it keeps from one hook to the next stands in its state, and nowhere else; name what "
        "is measured, such as seconds, in measured",
    )
    require(
        (whole.history, whole.weights) == (resumed.history, resumed.weights),
        extension,
        f"gives other weights or results {when}",
        "what it keeps from one hook to the next stands in its state, which tlf stores",
    )


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON and tensors
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return [*one] == [*other] and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return repr(one) == repr(other)
