"""Train recipes with several seeds each, and tell which is better."""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlf.errors import DataError, RunError
from tlf.events import Notice, Prepared
from tlf.inference.predictions import read_predictions
from tlf.metrics.paired import CLAIM_FROM, joint_level, over_seeds
from tlf.metrics.predicted import single_label
from tlf.recipe.plan import RecipeLike
from tlf.runs.folder import read_provenance
from tlf.runs.history import read_history
from tlf.runs.owner import owned, who_runs
from tlf.runtime.cores import check_alone
from tlf.runtime.files import absolute, writing
from tlf.studies.accuracy import accuracy_of
from tlf.studies.compare.candidates import Candidate, candidates
from tlf.studies.compare.compared import Compared, ComparedRecipe
from tlf.studies.compare.presets import PRESETS
from tlf.studies.compare.runs import check_same_images, check_same_start, make_run
from tlf.studies.study_runs import RunSeries, each_note_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEEDS = 10
"""Seeds of each recipe, where none are named."""
FEWEST = 2
"""How results vary can be told from two seeds on."""

CompareEvent = Prepared | Notice | Compared


def compare(
    recipes: Sequence[RecipeLike],
    overrides: Sequence[str] = (),
    *,
    preset: str | None = None,
    seeds: int = SEEDS,
    output: str | PathLike[str] = "comparison",
) -> Iterator[CompareEvent]:
    """Compare recipes over seeds: each is trained with the seeds 0, 1, … and evaluated on the same
    images. Yields events, and at the end a ``Compared``.

    Runs that are in the folder already are used; one that was stopped is resumed.

    Parameters:
        recipes: two or more; with a preset, one.
        overrides: ``key=value``, for all of them.
        preset: which variants of the recipe are compared, one of ``PRESETS``.
        seeds: how many.
        output: the folder of the runs.

    Raises:
        RecipeError: the recipes are not comparable, or wrong.
        RunError: the folder holds runs of other recipes or images, or is in use; or there are too
            few seeds.
        StoppedError: somebody asked one of the runs to stop.
    """
    if seeds < FEWEST:
        raise RunError(f"seeds must be {FEWEST} or more, got {seeds}; five or more allow a verdict")
    check_alone("a comparison")
    chosen, folder = candidates(recipes, overrides, preset), absolute(output)
    with _alone(folder) as note:
        yield from map(Notice, filter(None, [note]))
        if seeds < CLAIM_FROM:
            yield Notice(f"{seeds} seeds give figures and no verdict, which takes {CLAIM_FROM}")
        runs = yield from _runs(chosen, seeds, folder)
        question = "" if preset is None else PRESETS[preset].question
        yield _compared(chosen, runs, folder, question)


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


def _runs(
    chosen: Sequence[Candidate], seeds: int, folder: Path
) -> Generator[Prepared | Notice, None, dict[str, list[Path]]]:
    """Train all recipes with one seed, then with the next: candidate → its runs."""
    runs: dict[str, list[Path]] = {}
    told: dict[str, set[str]] = {}
    series = RunSeries()
    for seed in range(seeds):
        for number, candidate in enumerate(chosen, start=1):
            which = f"{seed * len(chosen) + number} of {seeds * len(chosen)}"
            events = make_run(candidate, seed, folder, which, series)
            own_told = told.setdefault(candidate.name, set())
            run = yield from each_note_once(events, candidate.name, own_told, _without_figures)
            own = runs.setdefault(candidate.name, [])
            own.append(run)
            check_same_start(own)
            check_same_images(own[0], run, "train")
            check_same_images(runs[chosen[0].name][0], run, "eval")
    return runs


def _without_figures(note: str) -> str:
    """What is the same in the notes of all seeds."""
    return re.sub(r"[\d.]+", "", note)


def _compared(
    chosen: Sequence[Candidate], runs: Mapping[str, Sequence[Path]], folder: Path, question: str
) -> Compared:
    right = _right(runs)
    order = sorted(right, key=lambda name: -right[name].mean())
    level, best = joint_level(len(chosen)), right[order[0]]
    recipes = tuple(_recipe(name, runs[name], right[name], best, level) for name in order)
    seeds, images = best.shape
    device = read_provenance(runs[order[0]][0])["hardware"]["device"]
    return Compared(recipes, images, tuple(range(seeds)), level, device, folder, question)


def _right(runs: Mapping[str, Sequence[Path]]) -> "dict[str, NDArray[np.float64]]":
    """Recipe → (seeds, N): whether each eval image was classified correctly.

    Raises:
        DataError: runs were evaluated on other images.
    """
    found: dict[str, list[NDArray[np.float64]]] = {}
    first: dict[str, str] | None = None
    for name, folders in runs.items():
        for folder in folders:
            predicted = single_label(read_predictions(folder / "predictions.csv"))
            labels = [predicted.classes[label] for label in predicted.labels]
            own = dict(sorted(zip(predicted.names, labels, strict=True)))
            first = first or own
            if own != first:
                raise DataError(
                    f"runs must be evaluated on the same images, and {folder} has others; remove "
                    "that folder, and write the same command again"
                )
            order = np.argsort(predicted.names)
            right = predicted.predicted == predicted.labels
            found.setdefault(name, []).append(right[order].astype(np.float64))
    return {name: np.stack(own) for name, own in found.items()}


def _recipe(
    name: str,
    runs: Sequence[Path],
    right: "NDArray[np.float64]",
    best: "NDArray[np.float64]",
    level: float,
) -> ComparedRecipe:
    seconds = [sum(result.seconds for result in read_history(run)) for run in runs]
    return ComparedRecipe(
        name,
        accuracy_of(over_seeds(np.zeros_like(right), right)),
        tuple(right.mean(1).tolist()),
        float(np.mean(seconds)),
        None if right is best else over_seeds(best, right, level=level),
    )
