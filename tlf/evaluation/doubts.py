"""Images that a run has trained on, or may have trained on: figures of them are too high."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlf.components import Labelled, Split
from tlf.data.inspection.readable import ReadSubset, ask, listing_sha256, subset
from tlf.data.splits import ReadFile, listed
from tlf.data.splitting.pool import ReadEither
from tlf.errors import DataError, PluginError, RecipeError
from tlf.evaluation.images import Source, source_of
from tlf.inference.model_files import recorded, same_eval_images
from tlf.inference.predictions import read_predictions
from tlf.recipe.paths import is_on_disk, starting_runs
from tlf.recipe.plan import find_splits, read_plan
from tlf.recipe.schema import Recipe
from tlf.runtime.files import is_run

_GONE = (DataError, PluginError, RecipeError)
"""What is raised where the images or the plugins of a run are gone: nothing can be said then."""


def doubts(run: Path, source: Source, *, ask: bool = True) -> Iterator[str]:
    """Why figures of a run's model may be too high: one sentence each.

    Parameters:
        run: the folder of the run.
        source: the images that its model is evaluated on.
        ask: whether a server may be asked for the train images of a recipe.

    Raises:
        DataError: they were drawn as test images out of others than the run has found.
    """
    if run == source.recipe and not source.changed and source.others is not None:
        yield from _other_test(run, source)
    elif not _held_out(run, source):
        yield from _trained_on(run, source, ask=ask)
    for earlier, which in dict.fromkeys(_before(run, recorded(run))):
        if not _held_out(earlier, source):
            yield from _trained_on(earlier, source, which, ask=ask)


def recorded_doubts(run: Path, names: Sequence[str]) -> Iterator[str]:
    """The same of the predictions that a run has recorded. ``names``: their images. Nothing is said
    where the images or the plugins of the run are gone, and no server is asked.
    """
    try:
        if is_on_disk(read_plan(run / "recipe.toml").recipe.data.dataset):
            yield from doubts(run, only(source_of(run, None, (), None), names), ask=False)
    except _GONE:
        return


def doubt_about_eval(run: Path, source: Source, names: Sequence[str]) -> Iterator[str]:
    """The same, once the images of the run's own eval split are classified. ``names``: theirs."""
    table = run / "predictions.csv"
    if source.run != run or not table.is_file():
        return
    if {*read_predictions(table).names} != {*names}:
        yield (
            f"The eval split has other images than {run} has evaluated: where it is drawn, the run "
            "may have trained on some of them"
        )


def only(source: Source, names: Sequence[str]) -> Source:
    """A source of which only the images of these names are meant: those that a run has recorded.
    Where one of them is gone, none is found (DataError).
    """

    def find() -> Labelled:
        images = source.found.images
        place = {name: i for i, name in enumerate(images.names)}
        if missing := [name for name in names if name not in place]:
            raise DataError(f"{source.title} must have {listed(missing)}; put the images back")
        return replace(source.found, images=subset(images, [place[name] for name in names]))

    return replace(source, find=find)


def _held_out(run: Path, source: Source) -> bool:
    """Whether images are the eval split of a run, as it has recorded. None is looked for."""
    return source.run is not None and (run == source.run or same_eval_images(run, source.run))


def _trained_on(run: Path, source: Source, which: str = "", *, ask: bool) -> Iterator[str]:
    """Images of the train split of a run's recipe. ``which``: what the run is to the model."""
    found = _train_places(run, asked=ask and source.recipe is not None)
    try:
        images = source.found.images if found else None
    except _GONE:
        return
    if images is not None and (count := sum(place in found for place in _places(images))):
        yield (
            f"{count:,} of the {len(images):,} images are in the train split of {run}{which}: the "
            "figures are too high"
        )


def seen_at_start(
    recipe: Recipe, images: Sequence[Split], known: dict[Path, set[str]]
) -> dict[Path, int]:
    """How many of the images the runs have trained on that a recipe starts from, and the runs whose
    weights are in those; without those that have trained on none.

    ``known``: where the train images of runs are, which is found out once for each.
    """
    found: dict[Path, int] = {}
    for start in starting_runs(recipe).values():
        for run in dict.fromkeys((start, *(one for one, _ in _before(start, recorded(start))))):
            if run not in known:
                known[run] = _train_places(run, asked=True)
            found[run] = sum(place in known[run] for split in images for place in _places(split))
    return {run: count for run, count in found.items() if count}


def _train_places(run: Path, *, asked: bool) -> set[str]:
    """Where the images of the train split of a run's recipe are. ``asked``: whether a server may be
    asked for them.
    """
    try:
        plan = read_plan(run / "recipe.toml")
        if not asked and not is_on_disk(plan.recipe.data.dataset):
            return set()
        return {*_places(find_splits(plan).train)}
    except _GONE:
        return set()


def _other_test(run: Path, source: Source) -> Iterator[str]:
    about, own = recorded(run), listing_sha256(source.found.images)
    earlier = [chapter.get("test_sha256") for chapter in about.get("earlier", [])]
    if source.drawn and any(one not in (None, own) for one in earlier):
        yield "Before it was resumed, the run had other test images: it may have trained on these"
    if about.get("test_sha256") in (None, own):
        return
    if source.drawn:
        raise DataError(
            f"data.test draws other test images than when {run} was trained, as images, their "
            "names or their labels have changed: the run may have trained on some of them; put the "
            "images back, or name images with --data"
        )
    yield "The test images, their names or their labels have changed since the run was trained"


def _before(run: Path, about: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The runs whose weights are in those of a run, as far as they are there, and how they came
    into it. ``about``: what its provenance.json says.
    """
    for earlier in about.get("started_from", []):
        if is_run(folder := Path(earlier["folder"])):
            yield folder, f", whose weights {run} has started from"
        yield from _before(run, earlier)
    for member in _members(about):
        if is_run(folder := Path(member["run"])):
            yield folder, f", whose weights went into {run}"


def _members(about: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The runs of a soup that may have trained on other images than its recipe, the best run's,
    says.
    """
    same = "train" in (about.get("data_sha256") or {})
    return () if same else about.get("soup", {}).get("runs", [])[1:]


def _places(split: Split) -> Iterator[str]:
    """What tells each image from all others: its file; the hash of its bytes, where that is known
    without reading; else its dataset and its name.
    """
    for name, index in zip(split.names, range(len(split)), strict=True):
        read, place = _stored(split.read, index)
        if isinstance(read, ReadFile):
            yield os.path.abspath(read.path(place))
        elif digest := ask(read, "digest", place):
            yield digest.hex()
        else:
            yield f"{getattr(read, 'origin', '')}{name}"


def _stored(read: Callable[[int], bytes], index: int) -> tuple[Callable[[int], bytes], int]:
    """What reads an image for its dataset, through all subsets and pools, and its index there."""
    while isinstance(read, ReadSubset | ReadEither):
        read, index = read.within(index)
    return read, index
