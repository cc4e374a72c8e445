"""A job: the recipe with its images found and its model built. Nothing is trained or written."""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator
from torch import Tensor

from tlf.cache.store import Cache
from tlf.catalogue import Offer
from tlf.components import BuiltBackbone, Splits
from tlf.data.inspection.inspect import Events
from tlf.data.inspection.readable import Unreadable
from tlf.data.loader import Loaders
from tlf.data.loading import EVAL_BATCH, Pixels, deal, decoded_pixels
from tlf.data.workers import WORKERS_PER_CORE, worker_count
from tlf.model import Classifier
from tlf.plugins.attribution import blame
from tlf.preprocessing import Preprocessing
from tlf.pretrained.weights import fingerprint
from tlf.recipe.build import (
    build_loss,
    check_input,
    check_sign,
    own_loader,
    resolve_preprocessing,
)
from tlf.recipe.metrics import check_metrics
from tlf.recipe.plan import Plan, cache_of, find_splits, noted_anew
from tlf.recipe.prepare import check_transforms, records_of
from tlf.recipe.schema import Recipe
from tlf.runtime.agreement import host_group, summed
from tlf.runtime.kernels import Kernels
from tlf.runtime.memory import untrained_batch
from tlf.tasks import TASKS, Task
from tlf.training.calibration.held_out import check_calibration, hold_out_of_training, labels_left
from tlf.training.phases import check_augmentations, check_phases
from tlf.training.reuse.backbone import known_of, model_of, remembered
from tlf.training.reuse.images import ReadImages, read_or_take_over
from tlf.training.segments.compiled import Compiled
from tlf.training.segments.probes import ProbeAnswers

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@dataclass(frozen=True)
class Job:
    """Everything that training needs."""

    plan: Plan
    accelerator: Accelerator
    splits: Splits
    pixels: Mapping[str, Pixels]
    """``train`` and ``eval`` → their decoded and resized images; ``full`` → the train images at
    full resolution."""
    cache: Cache | None
    """Stores decoded images and features; None where nothing is stored."""
    built: BuiltBackbone
    backbone_sha256: str
    """SHA-256 of the backbone's weights as they were loaded."""
    head_sha256: str
    """SHA-256 of the head's weights as they were drawn, or loaded from an earlier run."""
    classifier: Classifier
    preprocessing: Preprocessing
    task: Task
    loss: Callable[[Tensor, Tensor], Tensor]
    """Built for the train images: once ``read_images`` has read them, for those that train."""
    loaders: Loaders
    """Load batches of images."""
    group: "ProcessGroup | None" = None
    """Processes agree over it without waiting for their GPUs; None: over the default group."""
    manifests: Mapping[str, str] = field(default_factory=dict)
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their images; empty
    until ``read_images`` has read them."""
    unreadable: tuple[Unreadable, ...] = ()
    """Images that ``read_images`` has left out."""
    held_out: frozenset[int] = frozenset()
    """Indices of the train images that calibrate the model, so that no step trains on them."""
    drawn: bool = True
    """Whether the weights of the backbone may depend on the seed."""
    read: ReadImages | None = None
    """What ``read_images`` has read."""
    probe_answers: ProbeAnswers = field(default_factory=ProbeAnswers)
    """What probes have found of the network."""

    @cached_property
    def labels(self) -> Mapping[str, Tensor]:
        """``train`` and ``eval`` → the labels of their images (N, …)."""
        splits = {"train": self.splits.train, "eval": self.splits.eval}
        classes = len(self.splits.classes)
        return {name: self.task.labels(split.labels, classes) for name, split in splits.items()}

    @cached_property
    def compiled(self) -> Compiled:
        """The model's forward pass, which segments share that are compiled."""
        return Compiled(self.classifier)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about how the recipe is carried out: one sentence each."""
        asked, used = self.recipe.workers, self.loaders.workers
        own_way = filter(None, [own_loader(self.plan, self.built)])
        own = (*self.built.notes, *own_way)
        if asked in ("auto", used):
            return own
        return (
            *own,
            f"workers must be at most {used} on this machine, {WORKERS_PER_CORE} for each core, "
            f"got {asked}; {used} are used",
        )

    @property
    def recipe(self) -> Recipe:
        """The validated recipe."""
        return self.plan.recipe

    @property
    def pieces(self) -> int:
        """Pieces in which a batch is computed; 1 until a run has found what ``auto`` stands for."""
        return 1 if self.recipe.accumulate == "auto" else self.recipe.accumulate

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
            check_sign(least)

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


def largest_piece(job: Job) -> int:
    """The largest number of images of a batch that a process trains on at once."""
    return largest_share(job, job.pieces, job.accelerator.num_processes)


def largest_share(job: Job, pieces: int, processes: int) -> int:
    """The most images of a batch in so many pieces that a process computes at once."""
    batch = range(min(job.recipe.batch_size, len(job.splits.train)))
    shares = (deal(batch, pieces, n, processes, together=False) for n in range(processes))
    return max(share.count for own in shares for share in own)


def eval_batch(job: Job) -> int:
    """Images in a batch of an evaluation, on any number of processes."""
    if job.accelerator.device.type == "cpu":
        return EVAL_BATCH
    size, piece = job.preprocessing.size, -(-job.recipe.batch_size // job.pieces)
    return max(EVAL_BATCH, untrained_batch(piece, size, size))


def open_job(plan: Plan, accelerator: Accelerator, earlier: Sequence[Job] = ()) -> Job:
    """Find the images, build the model and load its weights. No image is read. The backbone is
    taken over from a job of an ``earlier`` run, which has ended, where it would be the same.

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
        built, classifier, sha256, drawn = model_of(plan, len(splits.classes), earlier)
    if earlier:  # the backbone may be on the device already
        classifier.to(accelerator.device)
    check_phases(plan, classifier)
    check_calibration(plan, classifier)
    task, num_classes = TASKS[recipe.task], len(splits.classes)
    loss = build_loss(plan, splits.train.labels, num_classes)
    preprocessing = resolve_preprocessing(recipe, built, plan.source)
    preprocessing = replace(preprocessing, prepare=records_of(plan))
    check_metrics(plan, task.labels(splits.eval.labels, num_classes), num_classes)
    known = known_of(earlier, plan, accelerator)
    features = remembered(known, classifier, sha256)
    check_input(plan, built, classifier, preprocessing, num_classes, features)
    check_transforms(plan, preprocessing)
    check_augmentations(plan, preprocessing, num_classes)
    on_cpu = accelerator.device.type == "cpu"
    return Job(
        plan=plan,
        accelerator=accelerator,
        splits=splits,
        pixels=decoded_pixels(splits, preprocessing),
        cache=cache_of(recipe),
        built=built,
        backbone_sha256=sha256,
        head_sha256=fingerprint(classifier.head.state_dict()),
        classifier=classifier.to(accelerator.device),
        preprocessing=preprocessing,
        task=task,
        loss=loss,
        loaders=Loaders(worker_count(recipe.workers, on_cpu=on_cpu), accelerator.device),
        group=host_group(accelerator),
        drawn=drawn,
        probe_answers=known,
    )


def kernels_of(recipe: Recipe) -> Kernels:
    """The kernels that a recipe computes with on a GPU."""
    return Kernels(
        tf32=recipe.tf32,
        deterministic=recipe.deterministic,
        cudnn_benchmark=recipe.cudnn_benchmark,
    )


def read_images(
    job: Job,
    earlier: Sequence[Job] = (),
    *,
    may_lose_classes: bool = False,
    used: Collection[str] | None = None,
) -> Generator[Events, None, Job]:
    """Read every image; return the job with the readable ones.

    Parameters:
        job: the job.
        earlier: jobs of runs that have ended: what one of them has read is not read again, if no
            file was written since.
        may_lose_classes: whether a class may have no readable image, as nothing is trained.
        used: which of ``train``, ``eval`` and ``full`` are decoded, the train images at full
            resolution; None: what the phases use. Others are hashed.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left.
        PluginError: the loss cannot be built for the images that are left.
    """
    read = yield from read_or_take_over(job, earlier, may_lose_classes=may_lose_classes, used=used)
    usable, splits = read.inspected, noted_anew(job.plan, job.splits, read.inspected.splits)
    held_out, told = hold_out_of_training(splits, job.recipe)
    loss, left = job.loss, len(splits.train) - len(held_out)
    if left < len(job.splits.train) and not may_lose_classes:
        # A loss may weigh classes by their images: only now is it known which of them train.
        labels = labels_left(splits.train, held_out)
        loss = build_loss(job.plan, labels, len(splits.classes))
    return replace(
        job,
        splits=replace(splits, notes=(*splits.notes, *read.notes, *told)),
        preprocessing=read.prepared,
        manifests=usable.manifests,
        pixels=usable.pixels,
        loss=loss,
        unreadable=usable.unreadable,
        held_out=held_out,
        read=read,
    )
