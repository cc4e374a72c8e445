"""The run of a trial: begun, resumed where its process was killed, ended early where it falls
behind.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

from accelerate.utils.memory import should_reduce_batch_size

from tlf.errors import (
    DataError,
    OutputError,
    RunError,
    StoppedError,
    TlfError,
    UnwritableError,
)
from tlf.events import Notice, Prepared
from tlf.inference.metadata import read_metadata
from tlf.recipe.paths import path_keys
from tlf.recipe.plan import Plan, plan_of
from tlf.results import EVAL, EpochResult, RunResult, rank
from tlf.runs.changes import FREE
from tlf.runs.folder import RunStarted, has_ended
from tlf.runs.history import METRICS, read_history
from tlf.runs.record import RunEvent
from tlf.runs.resume import resume
from tlf.runtime.files import is_run
from tlf.studies.study_runs import RunSeries, check_same_recipe, make_room, shown
from tlf.studies.sweep.swept import COMPLETE, FAILED, PRUNED, BestEpoch
from tlf.training.checkpoint.state_file import discard
from tlf.training.job import Job

_NOT_ITS_FAULT = (StoppedError, UnwritableError, OutputError, DataError, RunError)
"""Errors that other settings would meet, too."""


def make_trial(
    base: Plan,
    given: Sequence[str],
    output: Path,
    title: str,
    check_images: Callable[[Job], None],
    falls_behind: Callable[[Sequence[float]], bool],
    series: RunSeries,
) -> Generator[Prepared | Notice, None, dict[str, Any]]:
    """Train a trial, or go on with it; return what it has shown, as the journal has it.

    Parameters:
        base: the recipe, with its images.
        given: what the trial sets, as overrides.
        output: the folder of the run.
        title: which trial it is, as a person reads it.
        check_images: is called before anything trains.
        falls_behind: whether to end a trial with these figures, one for each epoch.
        series: the runs of the study in this process.

    Raises:
        StoppedError: somebody asked the run to stop.
        TlfError: an error that other settings would meet, too.
    """
    try:
        plan = replace(plan_of(base, given), splits=base.splits)
        events = _checked(_events(plan, output, series), output, check_images)
        yield from shown(_until_behind(events, plan, output, falls_behind), plan, title)
    except _NOT_ITS_FAULT:
        raise
    except TlfError as error:
        return _failed(output, base, str(error))
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not should_reduce_batch_size(error):
            raise
        return _failed(output, base, "it needs more memory than there is")
    if has_ended(output):
        return _found(COMPLETE, output, plan, _recorded_best(output))
    discard(output)
    return _found(PRUNED, output, plan, max(read_history(output), key=_rank(plan)))


def _events(plan: Plan, output: Path, series: RunSeries) -> Iterator[RunEvent | Notice]:
    """The events of the run, from where it stands."""
    if is_run(output):
        check_same_recipe(output, plan, FREE, [*path_keys(plan.recipe)])
        if has_ended(output):
            return
        try:
            yield from resume(output)
            return
        except UnwritableError:
            raise
        except RunError as error:
            yield Notice(f"the trial starts again, as its run cannot be resumed here: {error}")
            rmtree(output)
    make_room(output)
    yield from series.run(plan)


def _checked(
    events: Iterator[RunEvent], output: Path, check_images: Callable[[Job], None]
) -> Iterator[RunEvent]:
    """The same events, once the images are known to be those of the study.

    Raises:
        RunError: they are others. The run is left to a process that has the right ones.
    """
    for event in events:
        if isinstance(event, RunStarted):
            try:
                check_images(event.job)
            except RunError:
                events.close()  # type: ignore[attr-defined]  # a generator
                if event.epochs == 0:
                    rmtree(output)
                raise
        yield event


def _until_behind(
    events: Iterator[RunEvent],
    plan: Plan,
    output: Path,
    falls_behind: Callable[[Sequence[float]], bool],
) -> Iterator[RunEvent]:
    """The same events, until the trial falls behind.

    Raises:
        StoppedError: somebody asked the run to stop.
    """
    monitor, epochs = plan.recipe.monitor, _may_end_after(plan)
    figures: list[float] = []
    for event in events:
        yield event
        if isinstance(event, RunStarted) and event.epochs:
            figures += [getattr(result, monitor) for result in read_history(output)]
        elif isinstance(event, EpochResult):
            figures.append(getattr(event, monitor))
            if len(figures) in epochs and falls_behind(figures):
                events.close()  # type: ignore[attr-defined]  # a generator
                return
        elif isinstance(event, RunResult) and event.stopped is not None:
            raise StoppedError(output, "request")


def _may_end_after(plan: Plan) -> range:
    """The numbers of epochs after which a trial may end early. Every trial trains its first phase,
    or a third of its only one.
    """
    first, *others = plan.recipe.phases
    fewest = first.epochs if others else -(-first.epochs // 3)
    return range(fewest, first.epochs + sum(phase.epochs for phase in others))


def _rank(plan: Plan) -> Callable[[EpochResult], tuple[float, ...]]:
    return lambda result: rank(result, plan.recipe.monitor)


def _recorded_best(output: Path) -> EpochResult:
    """The best epoch of a run that has ended: the one that its model is of."""
    metrics = read_metadata(output / "head.safetensors").metrics
    history = [*read_history(output)]
    named = [{f"{EVAL}{name}": figure for name, figure in r.metrics.items()} for r in history]
    return history[named.index({**metrics})]


def _failed(output: Path, plan: Plan, why: str) -> dict[str, Any]:
    discard(output)
    return _found(FAILED, output, plan, None, why)


def _found(
    state: str, output: Path, plan: Plan, best: EpochResult | None, why: str = ""
) -> dict[str, Any]:
    history = [*read_history(output)] if (output / METRICS).is_file() else []
    monitor = plan.recipe.monitor
    return {
        "state": state,
        "figures": [getattr(result, monitor) for result in history],
        "seconds": sum(result.seconds for result in history),
        "best": None if best is None else asdict(_best(best, monitor)),
        "why": why,
    }


def _best(result: EpochResult, monitor: str) -> BestEpoch:
    figure = float(getattr(result, monitor))
    return BestEpoch(result.phase, result.epoch, figure, result.eval_loss, dict(result.metrics))
