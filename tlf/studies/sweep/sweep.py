"""Find the best settings of a recipe: trials in any number of processes, which share a journal."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from tlf.errors import RunError, TrainingError, require
from tlf.events import Notice, Prepared
from tlf.recipe.metrics import described
from tlf.recipe.plan import Plan, RecipeLike, find_splits, plan_of
from tlf.runs.owner import owned, who_runs
from tlf.runtime.cores import processes
from tlf.runtime.files import absolute, writing
from tlf.studies.study_runs import RunSeries, each_note_once
from tlf.studies.sweep.journal import Journal, open_journal
from tlf.studies.sweep.ranges import Varied, same_epochs, settings, with_ranges
from tlf.studies.sweep.records import as_trials, importance, write_recipes
from tlf.studies.sweep.same_study import check_images, check_same
from tlf.studies.sweep.suggest import (
    check_sampler,
    distributions,
    falls_behind,
    most_trials,
    suggest,
)
from tlf.studies.sweep.swept import BASE, COMPLETE, FAILED, RUNNING, Swept, TrialEnded
from tlf.studies.sweep.trial_runs import make_trial
from tlf.tasks import metric_of
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TRIALS = 20
"""Trials of a study, where no number is given."""
CLAIMS = "claims"
"""The folder of what processes lock while they work on a trial."""
MOST_FAILURES = 3
"""So many failed trials in a row stop the command."""
ALL_TO_THE_END = (
    "trials differ in their epochs, so none ends early: after as many epochs, a long schedule has "
    "come less far than a short one"
)

SweepEvent = Prepared | Notice | TrialEnded | Swept


@dataclass(frozen=True)
class _Study:
    """What all trials of a study share."""

    plan: Plan
    """With its images."""
    varied: tuple[Varied, ...]
    overrides: tuple[str, ...]
    metric: Metric
    sampler: str
    pruning: bool
    trials: int
    """How many are asked for."""
    journal: Journal
    in_file: bool
    """Whether the recipe is a file, and nothing is overridden."""

    @property
    def folder(self) -> Path:
        return self.journal.folder


def sweep(
    recipe: RecipeLike,
    ranges: Sequence[str],
    *,
    trials: int = TRIALS,
    sampler: str = "tpe",
    pruning: bool = True,
    timeout: float | None = None,
    output: str | PathLike[str] = "sweep",
) -> Iterator[SweepEvent]:
    """Find the best settings of a recipe: each trial is a run with settings that Optuna suggests.
    Yields events, and at the end a ``Swept``.

    Other processes may work on the same study at the same time. A trial whose process was killed is
    resumed.

    Parameters:
        recipe: the recipe.
        ranges: what is varied, ``key=low..high`` or ``key=a,b,c``; ``key=value`` overrides.
        trials: how many there are to be, those of all processes and of earlier calls counted.
        sampler: what suggests settings: ``tpe``, ``random`` or ``grid``.
        pruning: whether a trial that falls behind ends early.
        timeout: no trial begins after so many seconds.
        output: the folder of the study.

    Raises:
        RecipeError: a range does not fit the recipe, or the recipe is wrong.
        RunError: the folder holds another study, or one of other images.
        TrainingError: several trials in a row have failed.
        StoppedError: somebody asked a trial to stop.
    """
    require("optuna", extra="studies")
    _check_limits(trials, timeout)
    plan, varied, overrides = with_ranges(plan_of(recipe), ranges)
    check_sampler(sampler, varied)
    plan = replace(plan, splits=find_splits(plan))
    trials = min(trials, most_trials(sampler, varied) or trials)
    metric = _metric(plan)
    journal = open_journal(absolute(output), higher_is_better=metric.higher_is_better)
    in_file = isinstance(recipe, str | PathLike) and not overrides
    early = pruning and same_epochs(varied)
    study = _Study(plan, varied, overrides, metric, sampler, early, trials, journal, in_file)
    yield from map(Notice, check_same(journal, plan, varied, sampler, pruning=pruning))
    if pruning and not early:
        yield Notice(ALL_TO_THE_END)
    yield from _trials(study, timeout)
    yield _swept(study)


def _check_limits(trials: int, timeout: float | None) -> None:
    """Check how much is asked for, and of how many processes.

    Raises:
        RunError: it cannot be done.
    """
    if trials < 1:
        raise RunError(f"trials must be 1 or more, got {trials}; write a number such as {TRIALS}")
    if timeout is not None and not timeout > 0:
        raise RunError(f"timeout must be above 0 seconds, got {timeout:g}; write 3600, for example")
    if processes() > 1:
        raise RunError(
            f"a sweep must be started without a launcher, got {processes()} processes; start the "
            "same command several times instead"
        )


def _metric(plan: Plan) -> Metric:
    name = plan.recipe.monitor.partition("_")[2]
    return described(plan).get(name) or metric_of(name)


def _trials(study: _Study, timeout: float | None) -> Iterator[SweepEvent]:
    """Make trials until there are enough.

    Raises:
        TrainingError: several in a row have failed.
    """
    started, made, failures = time.monotonic(), 0, 0
    series = RunSeries()
    while timeout is None or time.monotonic() - started < timeout:
        with ExitStack() as exits:
            if (trial := _claimed(study, exits)) is None:
                return
            found = yield from _made(study, trial, series)
            with study.journal.alone():
                _end(study, trial.number, found)
                exits.close()  # nobody else can take it for one that was left behind
                with suppress(OSError):
                    _claim(study.folder, trial.number).rmdir()
        made += 1
        yield _ended(study, trial.number, (time.monotonic() - started) / made)
        failures = failures + 1 if found["state"] == FAILED else 0
        if failures == MOST_FAILURES:
            raise TrainingError(
                f"a trial must end, and {failures} in a row have failed, the last one because "
                f"{found['why']}; write other ranges"
            )


def _claimed(study: _Study, exits: ExitStack) -> "FrozenTrial | None":
    """A trial for this process alone: one whose process was killed, or a new one; None where there
    are enough. It is released when ``exits`` are closed.
    """
    journal = study.journal
    with journal.alone():
        trials = journal.trials()
        running = (one for one in trials if not one.state.is_finished())
        trial = next((one for one in running if _worker(study.folder, one.number) is None), None)
        if trial is None and len(trials) >= study.trials:
            return None
        if trial is None:
            values = suggest(
                trials,
                study.varied,
                study.sampler,
                study.plan.recipe.seed,
                maximize=study.metric.higher_is_better,
            )
            trial = journal.begin(values, distributions(study.varied))
        claim = _claim(study.folder, trial.number)
        with writing(claim):
            claim.mkdir(parents=True, exist_ok=True)
        exits.enter_context(owned(claim))
        return trial


def _claim(folder: Path, number: int) -> Path:
    """The folder that the process locks which works on a trial."""
    return folder / CLAIMS / str(number)


def run_folder(folder: Path, number: int) -> Path:
    """The folder of a trial's run."""
    return folder / "trials" / str(number)


def _worker(folder: Path, number: int) -> str | None:
    """The process that works on a trial; None where nobody does."""
    return who_runs(_claim(folder, number)) or who_runs(run_folder(folder, number))


def _made(
    study: _Study, trial: "FrozenTrial", series: RunSeries
) -> Generator[Prepared | Notice, None, dict[str, Any]]:
    """Train a trial; return what it has shown."""
    output = run_folder(study.folder, trial.number)
    quiet = {"output": str(output), "report": False, "keep_state": False}
    events = make_trial(
        study.plan,
        [*settings(trial.params), *tomli_w.dumps(quiet).strip().split("\n")],
        output,
        f"trial {trial.number} ({trial.number + 1} of {study.trials})",
        lambda job: check_images(study.journal, job, trial.params),
        lambda figures: _behind(study, figures),
        series,
    )
    return (yield from each_note_once(events, f"trial {trial.number}", series.told))


def _behind(study: _Study, figures: Sequence[float]) -> bool:
    return study.pruning and falls_behind(
        study.journal.trials(), figures, maximize=study.metric.higher_is_better
    )


def _end(study: _Study, number: int, found: dict[str, Any]) -> None:
    """End a trial in the journal; where it is the best one, write its recipe."""
    complete = found["state"] == COMPLETE
    study.journal.end(number, found, found["best"]["figure"] if complete else None)
    swept = _as_swept(study)
    if swept.ranked and swept.ranked[0].number == number:
        write_recipes(study.plan, swept)


def _ended(study: _Study, number: int, seconds: float) -> TrialEnded:
    """Parameters: the mean seconds of a trial of this process."""
    swept = _as_swept(study)
    running = sum(one.state == RUNNING for one in swept.trials)
    ended = len(swept.trials) - running
    left = seconds * (study.trials - ended) / (running + 1)
    best = next(iter(swept.ranked), None)
    return TrialEnded(swept.trials[number], best, study.metric, ended, study.trials, left)


def _swept(study: _Study) -> Swept:
    """All that the study has found, with its recipes written."""
    with study.journal.alone():
        with suppress(OSError):  # others still work on trials
            (study.folder / CLAIMS).rmdir()
        swept = _as_swept(study)
        if swept.ranked:
            write_recipes(study.plan, swept)
    return replace(swept, importance=importance(study.journal))


def _as_swept(study: _Study) -> Swept:
    images = study.journal.facts().get("images", {})
    return Swept(
        as_trials(study.journal),
        study.varied,
        study.metric,
        images.get("count", 0),
        study.sampler,
        study.pruning,
        study.plan.source,
        study.overrides,
        study.folder,
        Path(study.plan.source) if study.in_file else study.folder / BASE,
        task=study.plan.recipe.task,
    )
