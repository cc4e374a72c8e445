"""Images that a run has trained on, or may have trained on: figures of them are too high."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tlf.components import Split
from tlf.data.inspection.readable import ReadSubset, listing_sha256
from tlf.data.splits import ReadFile
from tlf.errors import DataError
from tlf.evaluation.images import Source
from tlf.inference.model_files import recorded
from tlf.inference.predictions import read_predictions
from tlf.recipe.paths import is_on_disk, starting_runs
from tlf.recipe.plan import Plan, find_splits, read_plan
from tlf.recipe.schema import Recipe
from tlf.runtime.files import is_run


def doubts(run: Path, source: Source) -> Iterator[str]:
    """Why figures of a run's model may be too high: one sentence each.

    Parameters:
        run: the folder of the run.
        source: the images that its model is evaluated on.

    Raises:
        DataError: they were drawn as test images out of others than the run has found.
    """
    if run != source.recipe or source.changed:
        yield from _trained_on(run, source)
    elif source.others is not None:
        yield from _other_test(run, source)
    for earlier in _started_from(recorded(run)):
        yield from _trained_on(earlier, source, f", whose weights {run} has started from")


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


def _trained_on(run: Path, source: Source, which: str = "") -> Iterator[str]:
    """Images of the train split of a run's recipe. ``which``: what the run is to the model."""
    plan = read_plan(run / "recipe.toml")
    if source.recipe is None and not is_on_disk(plan.recipe.data.dataset):
        return  # for images that no recipe names, no server is asked
    images = source.found.images
    if count := _shared(plan, images):
        yield (
            f"{count:,} of the {len(images):,} images are in the train split of {run}{which}: the "
            "figures are too high"
        )


def seen_at_start(recipe: Recipe, images: Sequence[Split]) -> dict[Path, int]:
    """How many of the images the runs have trained on that a recipe starts from, and the runs that
    those have started from; without those that have trained on none.
    """
    starts = starting_runs(recipe).values()
    runs = (run for start in starts for run in (start, *_started_from(recorded(start))))
    found = {run: _shared(read_plan(run / "recipe.toml"), *images) for run in runs}
    return {run: count for run, count in found.items() if count}


def _shared(plan: Plan, *images: Split) -> int:
    """How many of the images are in the train split of a recipe."""
    try:
        known = {*_places(find_splits(plan).train)}
    except DataError:  # the images of the run are gone: nothing can be said
        return 0
    return sum(place in known for split in images for place in _places(split))


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


def _started_from(about: Mapping[str, Any]) -> Iterator[Path]:
    """The runs whose weights a run has started from, as far as they are there. ``about``: what its
    provenance.json says.
    """
    for earlier in about.get("started_from", []):
        if is_run(folder := Path(earlier["folder"])):
            yield folder
        yield from _started_from(earlier)


def _places(split: Split) -> Sequence[str]:
    """Where each image is: its file; its name where it is none."""
    read, places = split.read, [*range(len(split))]
    while isinstance(read, ReadSubset):
        places = [read.indices[place] for place in places]
        read = read.split.read
    if isinstance(read, ReadFile):
        return [os.path.abspath(read.path(place)) for place in places]
    return split.names
