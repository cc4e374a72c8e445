"""Test images of a run that its model is evaluated on under another name, such as ``--data``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tlf.components import Split
from tlf.data.inspection.readable import Inspection, ask, listing_sha256, manifest, subset
from tlf.errors import DataError, PluginError, RecipeError
from tlf.evaluation.images import Source
from tlf.evaluation.looks import Look, check_countable, count_look, now
from tlf.evaluation.models import run_of, sha256_of
from tlf.evaluation.same_bytes import digests_of
from tlf.inference.model_files import recorded, same_eval_images
from tlf.recipe.paths import is_on_disk
from tlf.recipe.plan import find_splits, read_plan


@dataclass(frozen=True)
class Seen:
    """Images of a run's test split among those that its model is evaluated on."""

    run: Path
    under: str
    """What the images are called."""
    images: int
    """How many test images are among them."""
    sha256: str
    """SHA-256 over the names, labels and bytes of the whole test split."""


def seen_test_images(model: Path, source: Source) -> Seen | None:
    """The images of a run's test split that are among others, byte for byte. None where there are
    none, or where nothing can be said: the images of the run are gone or not on this disk, or its
    plugins are not installed.

    Raises:
        RunError: there are some, and the look cannot be counted.
    """
    run = run_of(model)
    if run is None or (source.recipe == run and not source.changed):
        return None
    if source.run is not None and same_eval_images(run, source.run):
        return None  # its own eval split
    test = _test_split(run)
    if test is None or not (count := _among(test, source.found.images)):
        return None
    check_countable(run)
    whole = manifest(test, Inspection([*digests_of(test)], {}))
    return Seen(run, source.title, count, whole)


def count_seen(model: Path, seen: Seen, command: str) -> tuple[Look, ...]:
    """All looks at a run's test split, after this one was counted."""
    digest = sha256_of(model)
    return count_look(seen.run, Look(now(), command, digest, seen.images, seen.sha256, seen.under))


def _test_split(run: Path) -> Split | None:
    """The test split of a run's recipe, where it is known without a server."""
    try:
        plan = read_plan(run / "recipe.toml")
        data = plan.recipe.data
        if data.test is None or not is_on_disk(data.dataset):
            return None
        test = find_splits(plan).test
    # The images or the plugins of the run are gone: its model needs neither.
    except (DataError, PluginError, RecipeError):
        return None
    known = recorded(run).get("test_sha256")
    is_other = isinstance(data.test, float) and test is not None and known != listing_sha256(test)
    return None if is_other else test  # one that is drawn anew is not what the run held out


def _among(test: Split, images: Split) -> int:
    """How many test images are among others. Only those are read that have the size of another."""
    sizes = {*_sizes(images)} & {*_sizes(test)}
    ours, others = (_of_sizes(split, sizes) for split in (test, images))
    known = {*filter(None, digests_of(others))}
    return sum(digest in known for digest in digests_of(ours))


def _of_sizes(split: Split, sizes: set[int | None]) -> Split:
    return subset(split, [place for place, size in enumerate(_sizes(split)) if size in sizes])


def _sizes(split: Split) -> Iterator[int | None]:
    """The bytes of each image; None where they are not known without reading it."""
    for index in range(len(split)):
        try:
            stamp = ask(split.read, "stamp", index)
        except OSError:  # it is gone
            stamp = None
        yield stamp[0] if stamp else ask(split.read, "size", index)
