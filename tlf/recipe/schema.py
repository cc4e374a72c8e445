"""The recipe: what a TOML file may say, and its validated values. Every mistake is told at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tlf import tasks
from tlf.components import (
    Augmentation,
    Backbone,
    BatchAugmentation,
    Dataset,
    FreezePolicy,
    Head,
    Loss,
    Optimizer,
    Scheduler,
)
from tlf.recipe.overrides import ENGINE_KEYS
from tlf.recipe.tables import Kind

if TYPE_CHECKING:
    Monitor = str
    TaskName = str
else:
    Monitor = Literal[*tasks.MONITORS]
    TaskName = Literal[*tasks.TASKS]


Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Augmentations = tuple[Augmentation | BatchAugmentation, ...]


_AUGMENTATIONS = Kind("tlf_augmentations", "augmentation", many=True)


@dataclass(frozen=True, kw_only=True)
class Data:
    """``[data]``: where the images are. The dataset's options stand in the same table."""

    dataset: Annotated[Dataset, Kind("tlf_datasets", "dataset", beside=ENGINE_KEYS)]
    bad_images: Literal["error", "skip"] = "error"
    """What an image that cannot be decoded does: it stops the run, or is left out and told."""


@dataclass(frozen=True, kw_only=True)
class Transforms:
    """``[transforms]``: what happens to an image before the backbone sees it."""

    augment: Annotated[Augmentations, _AUGMENTATIONS] = ()
    """How images are changed at random while they train, in this order."""
    size: Count | None = None
    """Side of the square input in pixels, if not what the backbone's weights were trained with."""
    resize: Count | None = None
    """Shorter side before the crop in pixels, if not what the backbone's weights come with."""


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """``[cache]``: what never changes is computed once and stored."""

    mode: Literal["auto", "off"] = "auto"
    """``off`` stores nothing; the results are the same."""
    max_gb: Positive = 20.0
    """How much may be stored, in 10⁹ bytes; what was used longest ago makes room."""
    dir: Text | None = None
    """The folder to store in, if not tlf's own (``$TLF_CACHE``, or ``~/.cache/tlf``)."""
    views: Count | None = None
    """Draw so many random views of each image instead of a new one in every epoch, where frozen
    stages come first: epoch e uses view e mod ``views``. This is another experiment."""


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """End a phase when the monitored figure no longer improves."""

    patience: Count
    """How many epochs may pass without an improvement."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """By how much the figure has to change to count as improved."""


@dataclass(frozen=True, kw_only=True)
class CheckpointEvery:
    """How often the state of a run is stored, to go on from: by time, or by updates."""

    seconds: Positive | None = None
    """After so many seconds."""
    updates: Count | None = None
    """After so many updates."""

    def __post_init__(self) -> None:
        """Check that it is one of the two."""
        if (self.seconds is None) == (self.updates is None):
            raise ValueError("checkpoint_every is { seconds = … } or { updates = … }")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """``[[phases]]``: a stretch of training with one freeze policy and one schedule."""

    name: Text
    """What the phase is called; names differ within a recipe."""
    freeze: Annotated[
        tuple[FreezePolicy, ...],
        Kind("tlf_freeze_policies", "freeze policy", default="nothing", many=True),
    ]
    """What stands still; a parameter that any of the policies names is frozen."""
    epochs: Count
    """How many epochs the phase lasts, at most."""
    lr: Positive | Mapping[str, Positive]
    """The learning rate; or one each for ``head``, ``backbone`` and stages by name."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Each earlier stage trains at this fraction of the next one's learning rate."""
    scheduler: Annotated[Scheduler, Kind("tlf_schedulers", "scheduler", default="constant")]
    """What multiplies the learning rate from update to update."""
    optimizer: Annotated[Optimizer | None, Kind("tlf_optimizers", "optimizer")] = None
    """Instead of the recipe's."""
    early_stopping: EarlyStopping | None = None
    augment: Annotated[Augmentations | None, _AUGMENTATIONS] = None
    """Instead of the recipe's."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay per update of an exponential moving average of the weights, which is evaluated."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a run computes, in the order of the data flow."""

    task: TaskName = tasks.DEFAULT
    """What the model is asked for."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Decides everything random: the new head, the order of images, augmentations."""
    precision: Literal["auto", "no", "fp16", "bf16"] = "auto"
    """``auto`` is what ``accelerate launch`` says."""
    compile: bool = False
    """Whether torch.compile compiles what trains on images. It pays back in long phases."""
    batch_size: Count = 32
    """Images per update, over all processes together."""
    accumulate: Count = 1
    """In how many pieces a batch is computed, one after the other, to fit into memory."""
    clip_grad_norm: Positive | None = None
    """The longest that the gradient of all parameters together may be."""
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Processes that load images, for each process that trains."""
    monitor: Monitor = tasks.DEFAULT_MONITOR
    """The figure that decides which epoch is the best."""
    output: Text
    """The folder that the run's files go to."""
    plugins: tuple[Text, ...] = ()
    """Plugins to load for their hooks; those that a component is named from load by themselves."""
    extensions: Annotated[tuple[Any, ...], Kind("tlf_extensions", "extension", many=True)] = ()
    """Plugins' hooks that take options."""
    checkpoint_every: CheckpointEvery = CheckpointEvery(seconds=60.0)
    """How often the state of the run is stored, to go on from."""
    cache: CacheSettings = CacheSettings()
    data: Data
    transforms: Transforms = Transforms()
    backbone: Annotated[Backbone, Kind("tlf_backbones", "backbone")]
    """The pretrained network, and its weights."""
    head: Annotated[Head, Kind("tlf_heads", "head", default="linear")]
    """The new last layers."""
    loss: Annotated[Loss, Kind("tlf_losses", "loss", default="cross-entropy")]
    """What is minimised."""
    optimizer: Annotated[Optimizer, Kind("tlf_optimizers", "optimizer", default="sgd")]
    """What makes updates of gradients."""
    phases: tuple[Phase, ...]
    """Stretches of training, one after the other."""
