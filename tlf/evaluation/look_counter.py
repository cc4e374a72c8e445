"""Counts the looks of an evaluation at the test splits of runs, also under another name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.data.inspection.readable import Inspection, manifest
from tlf.evaluation.images import Source
from tlf.evaluation.looks import Look, check_countable, count_look, now
from tlf.evaluation.models import run_of, sha256_of
from tlf.evaluation.same_bytes import digests_of, shared_images
from tlf.evaluation.seen import Seen, count_seen, seen_test_images

if TYPE_CHECKING:
    from tlf.evaluation.evaluate import Evaluated


@dataclass(frozen=True)
class LookCounter:
    """What is to be counted once models are evaluated."""

    source: Source
    seen: Sequence[Seen | None]
    """Of each model: test images of its run, where the images are not named as a test split."""

    @property
    def test_images(self) -> int:
        """How many test images of a run are among the images, at most."""
        if self.source.others is not None:
            return len(self.source.found.images)
        return max(0 if one is None else one.images for one in self.seen)

    def counted(self, found: "Sequence[Evaluated]", command: str) -> "list[Evaluated]":
        """The evaluations of the models, after their looks were counted."""
        if self.source.others is None:
            return [
                one
                if seen is None
                else replace(one, looks=count_seen(Path(one.model), seen, command))
                for one, seen in zip(found, self.seen, strict=True)
            ]
        images = self.source.found.images
        digests = [*digests_of(images)]
        shared = shared_images(images.names, digests, self.source.others())
        at, whole = now(), manifest(images, Inspection(digests, {}))
        counted = []
        for one in found:
            model = Path(one.model)
            run, look = run_of(model), Look(at, command, sha256_of(model), len(images), whole)
            looks = () if run is None else count_look(run, look)
            own = run == self.source.recipe and not self.source.changed
            counted.append(replace(one, looks=looks, shared=shared, test_split=own))
        return counted


def look_counter(models: Sequence[Path], source: Source) -> LookCounter:
    """What is to be counted, before anything is computed.

    Raises:
        RunError: a look cannot be counted.
    """
    if source.others is None:
        return LookCounter(source, [seen_test_images(model, source) for model in models])
    for run in filter(None, map(run_of, models)):
        check_countable(run)
    return LookCounter(source, [None] * len(models))
