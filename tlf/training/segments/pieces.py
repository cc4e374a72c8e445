"""``accumulate = "auto"``: the fewest pieces in which a batch fits into the memory.

The piece is halved until it fits; the batch stays as the recipe has it. So the experiment is the
same, but for the last bits of a sum, as long as nothing depends on which images are computed
together: where BatchNorm trains, it is refused.
"""

from collections.abc import Generator
from dataclasses import replace

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from torch import Tensor

from tlf.data.transforms import dtype_of, normalize
from tlf.errors import RecipeError, TrainingError
from tlf.events import Notice
from tlf.freezing.freeze import freeze
from tlf.model import parameter_count, restore_tensors
from tlf.plugins.attribution import blame, blame_packages
from tlf.recipe.schema import MOST_PIECES, Phase
from tlf.runtime.memory import keeping_free
from tlf.runtime.processes import gathered
from tlf.runtime.seeds import seeded
from tlf.training.checkpoint.extensions import clear_states
from tlf.training.ema import Ema
from tlf.training.job import Job, kernels_of, largest_share
from tlf.training.phases import learning_rates, possible, trains_norms
from tlf.training.segments.groups import build_optimizer, parameter_groups

FREE = 0.1
"""The share of the free memory that a step of the trial may not use: evaluation, the loading of
images and other programs need some, too."""


def fit_pieces(job: Job) -> Generator[Notice, None, Job]:
    """The job with the number of pieces that ``accumulate = "auto"`` stands for. Every process has
    to call this.

    Raises:
        RecipeError: BatchNorm trains, so that the number of pieces would change the experiment.
        TrainingError: not even the smallest piece fits.
    """
    if job.recipe.accumulate != "auto":
        return job
    if (name := trains_norms(job.plan, job.classifier)) is not None:
        raise RecipeError([_NORMS.format(name)], job.plan.source)
    tensors = {n: t.detach().to("cpu", copy=True) for n, t in job.classifier.state_dict().items()}
    kernels = kernels_of(job.recipe).used_on(job.accelerator.device)
    try:
        with kernels, blame_packages(job.plan.plugins.packages):
            fewest = _fewest(job)
        pieces = max(gathered(fewest))
    finally:
        restore_tensors(job.classifier, tensors)
        clear_states(job.plan)  # an extension may have seen the steps
    largest = largest_share(job, pieces, job.accelerator.num_processes)
    yield Notice(
        f'accumulate = "auto" is {pieces}: {largest} images fit into the memory of a process at '
        "once, and a tenth of it stays free"
    )
    recipe = replace(job.recipe, accumulate=pieces)
    return replace(job, plan=replace(job.plan, recipe=recipe))


_NORMS = (
    'accumulate: must be a number where BatchNorm trains, as in the phase {}, got "auto": it takes '
    "its statistics from the images of a piece, so the memory of the machine would change the "
    'experiment; freeze "norms" in every phase, or write the number'
)


def _fewest(job: Job) -> int:
    """The fewest pieces, twice as many each time, in which a step of every phase fits here.

    What trains few parameters may hold the most: the outputs of all stages above them.
    """
    every = [
        (phase, frozen)
        for phase in job.recipe.phases
        for frozen in possible(job.plan, job.classifier, phase)
    ]
    every.sort(key=lambda one: parameter_count(job.classifier, [*one[1]]))
    pieces, most = 1, min(MOST_PIECES, max(1, job.recipe.batch_size // 2))  # of two or more images
    processes = job.accelerator.num_processes
    for phase, frozen in every:
        while not _fits(job, phase, frozen, count := largest_share(job, pieces, processes)):
            if pieces == most:
                raise TrainingError(
                    f'accumulate = "auto": not even {count} of {job.recipe.batch_size} images fit '
                    "into the memory; write a smaller batch_size, transforms.size, head or "
                    "backbone, or freeze more"
                )
            pieces = min(2 * pieces, most)
    return pieces


def _fits(job: Job, phase: Phase, frozen: frozenset[str], count: int) -> bool:
    """Whether a step on so many images fits."""
    try:
        with keeping_free(job.accelerator.device, FREE), seeded(0, "pieces"):
            _step(job, phase, frozen, count)
    except (RuntimeError, MemoryError) as error:
        if not (isinstance(error, MemoryError) or should_reduce_batch_size(error)):
            raise
        return False
    finally:
        job.classifier.zero_grad(set_to_none=True)
        clear_device_cache(garbage_collection=True)
    return True


def _step(job: Job, phase: Phase, frozen: frozenset[str], count: int) -> None:
    """Make a step on black images. The optimizer's state is made, too, and then dropped."""
    classifier, device = job.classifier, job.accelerator.device
    freeze(classifier, frozen)
    chosen = phase.optimizer or job.recipe.optimizer
    rates = learning_rates(classifier, phase, frozen)
    with blame(job.plan.plugins.catalogue.offer(chosen), "build"):
        optimizer = build_optimizer(chosen, parameter_groups(classifier, rates, chosen))
    average = None if phase.ema is None else Ema(phase.ema, warmup=phase.ema_warmup)
    if average is not None:
        average.follow(classifier, rates)  # it is held until the step is made, as in a run
    side, channels = job.preprocessing.size, job.preprocessing.channels
    type_ = dtype_of(job.preprocessing)
    black = torch.zeros(count, channels, side, side, dtype=type_, device=device)
    images = normalize(black, job.preprocessing).contiguous(memory_format=torch.channels_last)
    labels = job.labels["train"][:1].expand(count, *job.labels["train"].shape[1:]).to(device)
    with job.accelerator.autocast():
        loss = _loss(job, images, labels)
    job.accelerator.backward(loss)
    optimizer.step()


def _loss(job: Job, images: Tensor, labels: Tensor) -> Tensor:
    replaced: Tensor | None = job.hook.tlf_training_step(
        model=job.classifier, images=images, labels=labels, loss=job.loss
    )
    if replaced is not None:
        return replaced
    return job.losses(job.classifier(images).float(), labels).mean()
