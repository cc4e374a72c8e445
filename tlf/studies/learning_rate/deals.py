"""Which train images judge a head, and which train it: folds, dealt anew for each seed."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from tlf.events import Notice, Prepared, Stored
from tlf.studies.judged import Judged

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from tlf.training.job import Job


SEEDS = 5
"""Seeds of each rate, where none are named."""
MANY = 2000
"""Of more train images, one seed says enough."""


@dataclass(frozen=True)
class Deal:
    """A head that trains with a seed on all train images but those of a fold, which judge it."""

    number: int
    """Of the fold among those of all seeds, from 0."""
    seed: int
    held_out: tuple[int, ...]
    """Indices in the train split."""
    among: tuple[int, ...] | None = None
    """The classes that these images judge by; None: all."""


@dataclass(frozen=True)
class Outcome:
    """A head that was trained at a rate, on the images that were held out of its training."""

    deal: Deal
    rate: int
    """The position of the rate among all."""
    per_image: "NDArray[np.float64]"
    """(n,), what each image counts for the main metric: whether it is classified as its label says,
    for example."""
    loss: float
    """The mean; not finite where training broke off."""


Outcomes = Generator[Prepared | Notice | Stored | Outcome, None, None]


def deals_of(judged: Judged, seeds: Sequence[int]) -> list[Deal]:
    """The folds of each seed."""
    found: list[Deal] = []
    for seed, folds in zip(seeds, judged.folds, strict=True):
        for fold in range(int(folds.max()) + 1):
            images = judged.images[folds == fold].tolist()
            found.append(Deal(len(found), seed, tuple(images), judged.among))
    return found


def judge(job: "Job", deal: Deal, rate: int, logits: "Tensor | None", labels: "Tensor") -> Outcome:
    """What a head is worth. ``logits``: of its held-out images; None: its training broke off."""
    losses = None if logits is None else job.losses(logits, labels)
    if logits is None or losses is None or not bool(losses.isfinite().all()):
        return Outcome(deal, rate, np.zeros(len(labels)), nan)
    scores, known = logits.float().cpu().numpy(), labels.cpu().numpy()
    per_image = job.task.per_image(scores, known, deal.among)
    # On the host, since some devices have no float64.
    return Outcome(deal, rate, per_image, float(losses.cpu().double().mean()))
