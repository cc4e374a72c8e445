"""A job: the recipe with its images found and its model built. Nothing is trained or written."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from torch import Tensor

from tlf.cache.store import Cache
from tlf.components import BuiltBackbone, Offer, Splits
from tlf.data.inspect import Events, inspect_splits
from tlf.data.loading import Decoded, Pixels, shard, worker_count
from tlf.model import Classifier
from tlf.plugins.attribution import blame
from tlf.preprocessing import Preprocessing
from tlf.pretrained.weights import fingerprint
from tlf.recipe.build import build_model, check_input, resolve_preprocessing
from tlf.recipe.plan import Plan, cache_of, find_splits
from tlf.recipe.schema import Recipe
from tlf.runtime.agreement import host_group, summed
from tlf.runtime.seeds import seeded
from tlf.tasks import TASKS, Task
from tlf.training.phases import check_phases

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@dataclass(frozen=True)
class Job:
    """Everything that training needs."""

    plan: Plan
    accelerator: Accelerator
    splits: Splits
    pixels: Mapping[str, Pixels]
    """``train`` and ``eval`` → their decoded and resized images."""
    cache: Cache | None
    """Stores decoded images and features; None where nothing is stored."""
    built: BuiltBackbone
    backbone_sha256: str
    """SHA-256 of the backbone's weights as they were loaded."""
    classifier: Classifier
    preprocessing: Preprocessing
    task: Task
    loss: Callable[[Tensor, Tensor], Tensor]
    workers: int
    group: "ProcessGroup | None" = None
    """Processes agree over it without waiting for their GPUs; None: over the default group."""
    manifests: Mapping[str, str] = field(default_factory=dict)
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their images; empty
    until ``read_images`` has read them."""

    @cached_property
    def labels(self) -> Mapping[str, Tensor]:
        """``train`` and ``eval`` → the labels of their images (N, …)."""
        splits = {"train": self.splits.train, "eval": self.splits.eval}
        return {name: self.task.labels(split.labels) for name, split in splits.items()}

    @property
    def recipe(self) -> Recipe:
        """The validated recipe."""
        return self.plan.recipe

    def summed(self, values: Sequence[float]) -> list[float]:
        """The sum of each value over all processes. All of them have to call this."""
        return summed(self.accelerator, self.group, values)

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each image (B,): of logits (B, K) and labels (B, …) or probabilities (B, K).

        Raises:
            PluginError: the loss broke, or gives something else.
        """
        with blame(self._loss_offer, "build"):
            losses = self.loss(logits, labels)
            if getattr(losses, "shape", None) != labels.shape[:1]:
                raise ValueError(
                    f"a loss must give one number for each image, ({len(labels)},) for "
                    f"{len(labels)} images, got {_shape(losses)}"
                )
        return losses

    def check_losses(self, least: float) -> None:
        """Check the least loss of an image.

        Raises:
            PluginError: it is negative.
        """
        with blame(self._loss_offer, "build"):
            if least < 0:
                raise ValueError(_negative(least))

    @cached_property
    def _loss_offer(self) -> Offer:
        return self.plan.plugins.catalogue.offer(self.recipe.loss)

    @property
    def hook(self) -> Any:  # noqa: ANN401 - pluggy's relay has no type of its own per hook
        """Calls the hooks of the loaded plugins."""
        return self.plan.plugins.hook


def _shape(losses: object) -> str:
    shape = getattr(losses, "shape", None)
    return f"a {type(losses).__name__}" if shape is None else str(tuple(shape))


def _check_sign(loss: Callable[[Tensor, Tensor], Tensor], labels: Tensor, num_classes: int) -> None:
    """Try a loss on a few labels.

    Raises:
        ValueError: it is negative.
    """
    with seeded(0, "loss"):
        logits = 3 * torch.randn(len(labels), num_classes)
    if (least := float(loss(logits, labels).min())) < 0:
        raise ValueError(_negative(least))


def _negative(loss: float) -> str:
    return f"the loss of an image must be 0 or more, got {loss}"


def largest_piece(job: Job) -> int:
    """The largest number of images of a batch that a process trains on at once."""
    recipe = job.recipe
    shares = job.accelerator.num_processes * recipe.accumulate
    return max(len(shard(range(recipe.batch_size), i, shares)) for i in range(shares))


def open_job(plan: Plan, accelerator: Accelerator) -> Job:
    """Find the images, build the model and load its weights. No image is read.

    Raises:
        DataError: images are missing or do not fit together.
        RecipeError: a phase does not fit the backbone.
        WeightsError: the weights cannot be found or do not fit.
    """
    recipe = plan.recipe
    # The main process goes first: it may have to draw or download what the others then find.
    with accelerator.main_process_first():
        splits = find_splits(plan)
    with accelerator.main_process_first():
        built, classifier = build_model(plan, len(splits.classes))
    check_phases(plan, classifier)
    task, num_classes = TASKS[recipe.task], len(splits.classes)
    with blame(plan.plugins.catalogue.offer(recipe.loss), "build"):
        loss = recipe.loss.build(task.class_counts(splits.train.labels, num_classes))
        task.check_loss(loss, num_classes)
        _check_sign(loss, task.labels(splits.train.labels[:8]), num_classes)
    preprocessing = resolve_preprocessing(recipe, built, plan.source)
    check_input(plan, classifier, preprocessing, num_classes)
    on_cpu = accelerator.device.type == "cpu"
    return Job(
        plan=plan,
        accelerator=accelerator,
        splits=splits,
        pixels={
            "train": Decoded(splits.train, preprocessing),
            "eval": Decoded(splits.eval, preprocessing),
        },
        cache=cache_of(recipe),
        built=built,
        backbone_sha256=fingerprint(built.module.state_dict()),
        classifier=classifier.to(accelerator.device),
        preprocessing=preprocessing,
        task=task,
        loss=loss,
        group=host_group(accelerator),
        workers=worker_count(recipe.workers, on_cpu=on_cpu, processes=accelerator.num_processes),
    )


def read_images(job: Job) -> Generator[Events, None, Job]:
    """Read every image; return the job with the readable ones.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left.
    """
    usable = yield from inspect_splits(
        job.splits,
        job.preprocessing,
        job.recipe.data.bad_images,
        job.task,
        job.accelerator,
        job.cache,
        job.plan.ahead.take(job.preprocessing) if job.plan.ahead else {},
    )
    return replace(job, splits=usable.splits, manifests=usable.manifests, pixels=usable.pixels)
