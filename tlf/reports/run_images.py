"""The images of a run, their nearest train images, and what a check finds in both: as far as they
can be had. A page is about figures, which need none of them.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.cache.store import Cache
from tlf.components import Split, Splits
from tlf.data.embedded import EmbeddedSplits
from tlf.errors import TlfError, in_shell
from tlf.events import Notice, Prepared, Stored
from tlf.metrics.predicted import AnyPredicted
from tlf.recipe.plan import Plan, cache_of, find_splits, read_plan, with_splits
from tlf.reports.neighbours import neighbours
from tlf.reports.report import RunRecord
from tlf.reports.stored_images import Comparisons, StoredComparisons, stored_comparisons
from tlf.reports.thumbnails import MOST_THUMBNAILS
from tlf.results import Neighbour
from tlf.runs.stored_embeddings import stored_embeddings

if TYPE_CHECKING:
    from tlf.checks.findings import Findings, ImageRef


CHECKED = 20_000
"""A report compares so many images with each other by itself. The time grows with the square of
their number: for 50,000 it is most of a minute on two cores."""


@dataclass(frozen=True)
class RunImages:
    """What a page shows of a run's images."""

    read: Callable[[int], bytes] | None = None
    """The bytes of the i-th predicted image."""
    neighbours: Mapping[int, tuple[Neighbour, ...]] = field(default_factory=dict)
    findings: "Findings | None" = None
    """What a check of the images has found."""
    read_found: "Callable[[ImageRef], bytes] | None" = None
    """The bytes of an image that the findings are about."""
    missing: tuple[str, ...] = ()
    """Sentences: what cannot be shown, and why."""


def images_of(
    run: RunRecord,
    predicted: AnyPredicted,
    asked: Sequence[int],
    *,
    embed: bool,
    check: bool = False,
) -> Generator[Prepared | Notice | Stored, None, RunImages]:
    """Find the images of a run by its recipe.

    Parameters:
        run: the run.
        predicted: its predictions.
        asked: the images whose nearest train images are shown, the first ones first.
        embed: whether to find the nearest train images, and to check the images, by their
            embeddings.
        check: whether to check more than ``CHECKED`` images, too.
    """
    if not embed:
        return _images(run, predicted)
    try:
        return (yield from _with_neighbours(run, predicted, asked, check=check))
    except TlfError as error:
        images = _images(run, predicted)
        if images.missing:  # what hides the images hides their neighbours
            return images
        why = f"The nearest train images are not shown: {_in_a_line(error)}."
        return RunImages(images.read, missing=(why,))


def _images(run: RunRecord, predicted: AnyPredicted) -> RunImages:
    """The images without their neighbours."""
    try:
        splits = find_splits(read_plan(run.folder / "recipe.toml"))
    except TlfError as error:
        return RunImages(missing=(f"Images are not shown: {_in_a_line(error)}.",))
    return _found(splits.eval, predicted)


def _found(split: Split, predicted: AnyPredicted) -> RunImages:
    """The predicted images in a split, which may have others, too."""
    places = {name: place for place, name in enumerate(split.names)}
    if gone := sum(name not in places for name in predicted.names):
        why = f"{gone} of the {len(predicted)} images are no longer among those of the recipe"
        return RunImages(missing=(f"Images are not shown: {why}.",))
    return RunImages(read=lambda image: split.read(places[predicted.names[image]]))


def _with_neighbours(
    run: RunRecord, predicted: AnyPredicted, asked: Sequence[int], *, check: bool
) -> Generator[Prepared | Notice | Stored, None, RunImages]:
    plan = with_splits(read_plan(run.folder / "recipe.toml"))
    splits = find_splits(plan)
    found = _found(splits.eval, predicted)
    if found.missing:
        return found
    verify = run.provenance.get("verify") or "content"
    stored = stored_comparisons(run.folder, plan, splits, verify=verify)
    compared = stored.read() if stored else None
    if compared is None:
        cache = cache_of(plan.recipe)
        embedded = yield from _embedded(run.folder, plan, splits, stored)
        splits = embedded.splits
        found = _found(splits.eval, predicted)
        if found.missing:
            return found
        check = check or len(splits.train) + len(splits.eval) <= CHECKED
        compared = yield from _compared(run, predicted, asked, embedded, cache, check=check)
        if stored and compared.findings and not embedded.unreadable:
            stored.write(compared)
    both = {"train": splits.train, "eval": splits.eval}
    return RunImages(
        read=found.read,
        neighbours=compared.neighbours,
        findings=compared.findings,
        read_found=lambda image: both[image.split].read(image.index),
        missing=compared.missing,
    )


def _embedded(
    folder: Path, plan: Plan, splits: Splits, stored: StoredComparisons | None
) -> Generator[Prepared | Notice | Stored, None, EmbeddedSplits]:
    """The embeddings that the run has stored; where there are none, its model computes them."""
    embedded = None
    if stored:
        embedded = yield from stored_embeddings(folder, plan, splits, stored.manifests)
    if embedded is not None:
        return embedded
    from tlf.checks.check import embedded_splits
    from tlf.runs.finished import open_finished
    from tlf.training.embeddings import embeddings

    job = yield from open_finished(folder, plan)
    with job.loaders:
        return embedded_splits(job, (yield from embeddings(job)))


def _compared(
    run: RunRecord,
    predicted: AnyPredicted,
    asked: Sequence[int],
    embedded: EmbeddedSplits,
    cache: Cache | None,
    *,
    check: bool,
) -> Generator[Prepared | Stored, None, Comparisons]:
    """Compare the images by their embeddings."""
    if check:
        findings, unchecked = yield from _checked(embedded, cache)
    else:
        findings, unchecked = yield from _checked_before(run, embedded, cache)
    places = {name: place for place, name in enumerate(embedded.splits.eval.names)}
    asked = asked[:MOST_THUMBNAILS]
    near = neighbours(embedded, [places[predicted.names[image]] for image in asked])
    return Comparisons(
        dict(zip(asked, near.values(), strict=True)),
        findings,
        (*_changed(run, embedded.manifests), *unchecked),
    )


def _checked(
    embedded: EmbeddedSplits, cache: Cache | None
) -> Generator[Prepared | Stored, None, tuple["Findings | None", tuple[str, ...]]]:
    """What a check finds in the images of a run, or a sentence that says why it cannot."""
    from tlf.checks.find import findings_of

    try:
        return (yield from findings_of(embedded, cache)), ()
    except (TlfError, OSError) as error:
        return None, (f"The images were not checked: {_in_a_line(error)}.",)


def _checked_before(
    run: RunRecord, embedded: EmbeddedSplits, cache: Cache | None
) -> Generator[Stored, None, tuple["Findings | None", tuple[str, ...]]]:
    """What an earlier check has found in the images of a run, or a sentence that says how to check
    them.
    """
    from tlf.checks.find import stored_findings

    if cache is not None and embedded.manifests:
        found = yield from stored_findings(embedded, cache)
        if found is not None:
            return found, ()
    images = len(embedded.train) + len(embedded.eval)
    why = (
        f"The {images:,} images were not checked for faults, which takes a while with more than "
        f"{CHECKED:,}. This adds it: tlf report {in_shell(run.folder)} --check."
    )
    return None, (why,)


def _changed(run: RunRecord, manifests: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence where the images are not those that the run has seen."""
    if run.provenance.get("data_sha256", manifests) == manifests:
        return ()
    return ("The images have changed since the run: the page shows them as they are now.",)


def _in_a_line(error: Exception) -> str:
    """What an error says, and of several things the first."""
    lines = (line.strip(" -") for line in str(error).splitlines()[:2])
    return ": ".join(lines).rstrip(".:")
