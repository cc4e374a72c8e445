"""Train recipes with several seeds each, and tell which is better."""

import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from tlf.errors import RunError
from tlf.evaluation.groups import UNKNOWN, group_of
from tlf.events import Notice, Prepared
from tlf.metrics.groups import count
from tlf.metrics.paired import CLAIM_FROM, joint_level
from tlf.recipe.plan import RecipeLike
from tlf.results import EVAL
from tlf.runs.folder import has_ended, read_provenance
from tlf.runs.history import read_history
from tlf.runs.owner import owned, who_runs
from tlf.runtime.cores import check_alone
from tlf.runtime.files import absolute, writing
from tlf.studies.accuracy import accuracy_of
from tlf.studies.compare.candidates import Candidate, candidates, run_folder
from tlf.studies.compare.compared import Compared, ComparedRecipe, ComparedRun
from tlf.studies.compare.files import names_before
from tlf.studies.compare.presets import PRESETS
from tlf.studies.compare.results import Results, on_same_images, read_results
from tlf.studies.compare.runs import (
    check_same_images,
    check_same_start,
    check_same_weights,
    figure_in,
    make_run,
)
from tlf.studies.compare.starts import cautions
from tlf.studies.study_runs import RunSeries, each_note_once
from tlf.tasks import TASKS

SEEDS = 10
"""Seeds of each recipe, where none are named."""
FEWEST = 2
"""How results vary can be told from two seeds on."""

Runs = Mapping[str, Mapping[int | None, Sequence[Path]]]
"""Candidate → fold, or None where there are none → its runs, one for each seed."""

CompareEvent = Prepared | Notice | ComparedRun | Compared


def compare(
    recipes: Sequence[RecipeLike],
    overrides: Sequence[str] = (),
    *,
    preset: str | None = None,
    seeds: int | None = None,
    folds: int | None = None,
    output: str | PathLike[str] = "comparison",
) -> Iterator[CompareEvent]:
    """Compare recipes over seeds: each is trained with the seeds 0, 1, … and evaluated on the same
    images. Yields events, and at the end a ``Compared``.

    Runs that are in the folder already are used; one that was stopped is resumed.

    Parameters:
        recipes: two or more; with a preset, one.
        overrides: ``key=value``, for all of them.
        preset: which variants of the recipe are compared, one of ``PRESETS``.
        seeds: how many; by default 10, and with folds 1.
        folds: deal the images into so many folds (``data.folds``), and train each recipe for each
            of them, with the other folds.
        output: the folder of the runs.

    Raises:
        RecipeError: the recipes are not comparable, or wrong.
        RunError: the folder holds other recipes or images, or is in use; or seeds are too few.
        StoppedError: somebody asked one of the runs to stop.
    """
    seeds = (SEEDS if folds is None else 1) if seeds is None else seeds
    draws, unit = (seeds, "seeds") if folds is None else (folds, "folds")
    if draws < FEWEST:
        raise RunError(
            f"{unit} must be {FEWEST} or more, got {draws}; five or more allow a verdict"
        )
    if seeds < 1:
        raise RunError(f"seeds must be 1 or more, got {seeds}; write --seeds 1")
    check_alone("a comparison")
    chosen, folder = candidates(recipes, overrides, preset, folds), absolute(output)
    doubts = (*cautions(chosen),)
    with _alone(folder) as note:
        yield from map(Notice, filter(None, [note, *doubts]))
        _check_page(chosen, folder)
        if draws < CLAIM_FROM:
            yield Notice(f"{draws} {unit} give figures and no verdict, which takes {CLAIM_FROM}")
        runs = yield from _runs(chosen, seeds, folder, folds)
        question = "" if preset is None else PRESETS[preset].question
        compared = _compared(chosen, runs, folder, question, doubts)
        if compared.groups is None and _have_groups(runs):
            yield Notice(UNKNOWN)
        yield compared


@contextmanager
def _alone(folder: Path) -> Iterator[str | None]:
    """Let no other process compare recipes in the same folder.

    Raises:
        RunError: another one does, or the folder cannot be written to.
    """
    if (owner := who_runs(folder)) is not None:
        raise RunError(
            f"another comparison is running in {folder} ({owner}); wait for it, or write --output "
            "and another folder"
        )
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with owned(folder) as note:
        yield note


def _check_page(chosen: Sequence[Candidate], folder: Path) -> None:
    """Check that no page is replaced that tells of other recipes.

    Raises:
        RunError: it would be.
    """
    lost = {*names_before(folder)} - {one.name for one in chosen}
    if lost:
        names = " and ".join(map(repr, sorted(lost)))
        raise RunError(
            f"{folder} holds a comparison with {names}, whose page this one "
            "would replace; write --output and another folder, or compare with these, too"
        )


def _runs(
    chosen: Sequence[Candidate], seeds: int, folder: Path, folds: int | None
) -> Generator[Prepared | Notice | ComparedRun, None, Runs]:
    """Train all recipes with one seed, in all folds, then with the next."""
    runs: dict[str, dict[int | None, list[Path]]] = {}
    told: dict[str, set[str]] = {}
    series, spent = RunSeries(), dict[str, float]()
    parts = [None] if folds is None else [*range(1, folds + 1)]
    every = [(seed, fold, one) for seed in range(seeds) for fold in parts for one in chosen]
    for number, (seed, fold, candidate) in enumerate(every, start=1):
        title = f"{_title(candidate, seed, fold)} ({number} of {len(every)})"
        was_there = has_ended(run_folder(folder, candidate.name, seed, fold))
        began = time.monotonic()
        events = make_run(candidate, seed, folder, title, series, fold)
        own_told = told.setdefault(candidate.name, set())
        run = yield from each_note_once(events, candidate.name, own_told, _without_figures)
        own = runs.setdefault(candidate.name, {})
        own.setdefault(fold, []).append(run)
        check_same_start(own[fold])
        check_same_weights(own[parts[0]][seed], run)
        check_same_images(own[fold][0], run, "train")
        check_same_images(runs[chosen[0].name][fold][0], run, "eval")
        if not was_there:
            spent[candidate.name] = time.monotonic() - began
            left = _left([one.name for _, _, one in every[number:]], spent)
            metric = TASKS[candidate.plan.recipe.task].metrics[0]
            accuracy = figure_in(run, f"{EVAL}{metric.name}")
            yield ComparedRun(title, metric, accuracy, run, left)
    return runs


def _have_groups(runs: Runs) -> bool:
    """Whether the recipe of a run says which images belong together."""
    every = (run for own in runs.values() for of_fold in own.values() for run in of_fold)
    return any(group_of(run) is not None for run in every)


def _left(names: Sequence[str], spent: Mapping[str, float]) -> float:
    """About how many seconds the runs of these recipes take, by the last run of each; 0 where a
    recipe was not run yet: one may take a hundred times as long as another.

    >>> _left(["a", "b", "a"], {"a": 1.0, "b": 90.0}), _left(["a", "b"], {"a": 1.0})
    (92.0, 0.0)
    """
    return sum(spent[name] for name in names) if {*names} <= spent.keys() else 0.0


def _title(candidate: Candidate, seed: int, fold: int | None) -> str:
    part = "" if fold is None else f", fold {fold}"
    return f"{candidate.name}{part}, seed {seed}"


def _without_figures(note: str) -> str:
    """What is the same in the notes of all seeds."""
    return re.sub(r"[\d.]+", "", note)


def _compared(
    chosen: Sequence[Candidate], runs: Runs, folder: Path, question: str, doubts: tuple[str, ...]
) -> Compared:
    results = on_same_images({name: read_results(own) for name, own in runs.items()})
    order = sorted(results, key=lambda name: -results[name].per_image.mean())
    level, best = joint_level(len(chosen)), results[order[0]]
    monitors = {one.name: one.plan.recipe.monitor for one in chosen}
    recipes = tuple(
        _recipe(name, runs[name], results[name], best, level, monitors[name]) for name in order
    )
    seeds, images = best.per_image.shape
    first = next(iter(runs[order[0]].values()))[0]
    device = read_provenance(first)["hardware"]["device"]
    folds = 0 if best.folds is None else len(runs[order[0]])
    task = chosen[0].plan.recipe.task
    number = count(best.groups)
    return Compared(
        recipes,
        images,
        tuple(range(seeds)),
        level,
        device,
        folder,
        question,
        task,
        folds,
        number,
        doubts,
    )


def _recipe(
    name: str,
    runs: Mapping[int | None, Sequence[Path]],
    own: Results,
    best: Results,
    level: float,
    monitor: str,
) -> ComparedRecipe:
    every = [run for of_fold in runs.values() for run in of_fold]
    seconds = [sum(result.seconds for result in read_history(run)) for run in every]
    judged = monitor.startswith(EVAL)
    return ComparedRecipe(
        name,
        accuracy_of(own.better_than(replace(own, per_image=np.zeros_like(own.per_image)))),
        tuple(own.per_image.mean(1).tolist()),
        float(np.mean(seconds)),
        None if own is best else own.better_than(best, level=level),
        own.of_folds,
        monitor,
        float(np.mean([figure_in(run, monitor) for run in every])) if judged else None,
    )
