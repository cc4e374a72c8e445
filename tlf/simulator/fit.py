"""Fit the page to the network: how many images, and of which size, make a step that a person can
wait for.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from math import sqrt

import torch

from tlf.data.inspection.inspect import Events
from tlf.errors import TlfError
from tlf.simulator.costs import busy_seconds, pass_seconds, undisturbed
from tlf.simulator.lane import Lane
from tlf.simulator.rates import kind_of
from tlf.simulator.sample import first_images, sampled
from tlf.simulator.settings import TRAINABLE, Settings
from tlf.training.job import Job, open_job
from tlf.training.signals import parts

LIMIT = 2.0
"""Seconds of a step in which everything trains, with all that is measured after it, at most."""
BATCHES = (2, 4, 8, 16)
"""Batch sizes to choose from."""
LEAST = 32
"""Side of an image in pixels, at least: on smaller ones, nothing can be seen."""
_PASSES = 5 / 3
"""A step and the images that are classified after it, in passes forward and backward: the backward
pass takes two forward passes, and the train and the eval images take one each."""
_UNITS = (32, 14)
"""Sides of images are multiples of one of these: networks halve them five times, or divide them
into patches of 14 or 16 pixels."""


@dataclass(frozen=True)
class Timed:
    """A step in which everything trains, as it was measured."""

    seconds: float
    """Of forward, backward and update, as a person waits for them."""
    whole: float
    """Of the same and of the images that are classified after it, as ``busy_seconds`` has it."""


@dataclass(frozen=True)
class Fitted:
    """A job whose steps are short enough, or as short as they get."""

    job: Job
    """With the images of the page; a step trains on all of its train images, at most."""
    batches: tuple[int, ...]
    """Batch sizes to choose from; the last one is the largest."""
    timed: Timed
    notes: tuple[str, ...]
    """What was chosen, and why."""


def fitted(job: Job) -> Generator[Events, None, Fitted]:
    """The largest batch whose steps are short enough; where two images take too long, they are
    smaller, if the recipe gives no size and the network takes another one.

    Parameters:
        job: the job, with as many images as the page may have.
    """
    shrinks = job.recipe.transforms.size is None
    found = first = _fitted(job, shrinks=shrinks)
    while shrinks and found.timed.whole > LIMIT:
        smaller = yield from _smaller(found)
        shrinks = smaller is not None
        found = smaller or _fitted(found.job, shrinks=False)
    notes = (_size_note(first, found), _batch_note(found))
    return replace(found, notes=tuple(filter(None, notes)))


def timed_step(job: Job, batch: int, optimizer: str) -> Timed:
    """Make a step in which everything trains, and measure it. The network stays as it is."""
    stages = dict.fromkeys(parts(job.classifier), TRAINABLE)
    lr = {"head": 1e-4, "backbone": 1e-4}
    settings = Settings(stages, lr, None, optimizer, batch, seed=job.recipe.seed)
    with undisturbed(job.classifier):
        lane = Lane(lambda *_: job, job.recipe.phases[0], settings, {}, torch.get_num_threads())
        began = busy_seconds(job)
        record = lane.make_step()
        whole = busy_seconds(job) - began
    return Timed(record.seconds or 0.0, whole)


def _fitted(job: Job, *, shrinks: bool) -> Fitted:
    """The batch sizes whose steps are short enough, or the smallest.

    ``shrinks``: whether images may get smaller. Then no step is made where a pass alone shows that
    it takes far too long.
    """
    batches, timed = _largest_batch(job, shrinks=shrinks)
    return Fitted(first_images(job, batches[-1]), batches, timed, ())


def _largest_batch(job: Job, *, shrinks: bool) -> tuple[tuple[int, ...], Timed]:
    recipe, catalogue = job.recipe, job.plan.plugins.catalogue
    optimizer = kind_of(catalogue, recipe, recipe.phases[0])
    most = min(len(job.splits.train), max(BATCHES[0], recipe.batch_size))
    offered = [batch for batch in BATCHES if batch <= most]
    each = _PASSES * pass_seconds(job, BATCHES[0]) / BATCHES[0]
    if shrinks and each * offered[0] > 2 * LIMIT:
        return (offered[0],), Timed(each * offered[0], each * offered[0])
    count = max(1, sum(each * batch <= LIMIT for batch in offered))
    timed = _timed(job, offered[count - 1], optimizer)
    fits = timed.whole <= LIMIT
    while timed.whole > LIMIT and count > 1:
        count -= 1
        timed = _timed(job, offered[count - 1], optimizer)
    if timed.whole > LIMIT:  # the first step of all may be slower: it must not shrink the images
        again = _timed(job, offered[0], optimizer)
        timed = min(timed, again, key=lambda one: one.whole)
    while fits and 2 * timed.whole <= LIMIT and count < len(offered):
        larger = _timed(job, offered[count], optimizer)
        if larger.whole > LIMIT:
            break
        count, timed = count + 1, larger
    return tuple(offered[:count]), timed


def _timed(job: Job, batch: int, optimizer: str) -> Timed:
    return timed_step(first_images(job, batch), batch, optimizer)


def _smaller(found: Fitted) -> Generator[Events, None, Fitted | None]:
    """The same with smaller images; None where the network takes none."""
    plan, preprocessing = found.job.plan, found.job.preprocessing
    side = preprocessing.size * sqrt(LIMIT / found.timed.whole)
    for size in (max(-(-LEAST // unit), int(side // unit)) * unit for unit in _UNITS):
        if size >= preprocessing.size:
            continue
        resize = preprocessing.sized(size).resize
        transforms = replace(plan.recipe.transforms, size=size, resize=resize)
        smaller = replace(plan, recipe=replace(plan.recipe, transforms=transforms))
        try:
            opened = open_job(smaller, found.job.accelerator)
        except TlfError:  # the network takes no images of this size
            continue
        return _fitted((yield from sampled(opened)), shrinks=True)
    return None


def _size_note(first: Fitted, found: Fitted) -> str:
    before, size = first.job.preprocessing.size, found.job.preprocessing.size
    if size == before:
        return ""
    return (
        f"Images are {size} pixels wide, not {before}, where a step of {first.batches[-1]} images "
        f"took {_seconds(first.timed)}; to keep their size, write transforms.size={before}."
    )


def _batch_note(found: Fitted) -> str:
    batch, threads = found.batches[-1], torch.get_num_threads()
    where = f"{threads} thread{'s' if threads > 1 else ''}"
    if found.job.accelerator.device.type != "cpu":
        where = str(found.job.accelerator.device)
    if found.timed.whole > LIMIT:
        took = f"one in which everything trains took {_seconds(found.timed)} on {where}"
        return f"Each step trains on {batch} images, the fewest; {took}."
    of_recipe = found.job.recipe.batch_size
    beside = "as in the recipe" if of_recipe == batch else f"the recipe's batches have {of_recipe}"
    # Without the time that was measured: the page shows that of steps, which differs a little.
    return (
        f"Each step trains on {batch} images, so that it takes about {LIMIT:g} s at most "
        f"on {where}; {beside}."
    )


def _seconds(timed: Timed) -> str:
    return f"{timed.whole:.2g} s"
