"""The recipe: the keys of its TOML file, as frozen dataclasses of validated values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tlf import tasks
from tlf.components import (
    DATA_KEYS,
    Backbone,
    Dataset,
    FreezePolicy,
    Head,
    IsPath,
    Loss,
    Metric,
    Optimizer,
    Scheduler,
)
from tlf.data.inspection.readable import BadImages, MissingInEval, UnknownInEval, Verify
from tlf.data.splitting.groups import check_keys
from tlf.preprocessing import WHITE
from tlf.recipe.parts.transforms import AUGMENTATIONS, USUAL, Augmentations, Transforms
from tlf.recipe.tables import Kind
from tlf.recipe.values import shortened
from tlf.trackers import Tracker

if TYPE_CHECKING:
    Monitor = str
    TaskName = str
else:
    Monitor = Literal[*tasks.MONITORS] | str
    TaskName = Literal[*tasks.TASKS]


Positive = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, le=1e30)]
"""A learning rate. Optimizers divide it: a larger one is no float32 any more."""
Count = Annotated[int, Field(ge=1, le=10**6)]
MOST_PIECES = 1000
"""Into which a batch is divided."""
Text = Annotated[str, Field(min_length=1)]
PathText = Annotated[Text, IsPath()]
Sampler = Literal["shuffled", "balanced"]


@dataclass(frozen=True, kw_only=True)
class Data:
    """``[data]``: where the images are. The dataset's options stand in the same table."""

    dataset: Annotated[Dataset, Kind("tlf_datasets", "dataset", beside=DATA_KEYS)]
    bad_images: BadImages = "error"
    """What an unreadable image does: it stops the run, or is left out and reported."""
    white: Annotated[int, Field(ge=1, le=WHITE)] | Literal["auto"] | None = None
    """The value of 16-bit grey images that is white: ``auto`` is the largest one in the train
    split; None is 65535, and the run says which range the images use."""
    missing_in_eval: MissingInEval = "error"
    """What a class without eval images does: it stops the run, or is trained and not evaluated."""
    unknown_in_eval: UnknownInEval = "error"
    """What eval images of a class without train images do: they stop the run, or are left out and
    counted."""
    fixes: PathText | tuple[PathText, ...] | None = None
    """A CSV file of corrected labels and of images to leave out, as ``tlf check`` writes it. Of
    several, each is applied to what the one before it has left. No image file is changed."""
    verify: Verify = "auto"
    """How it is known that images are the same as before: ``content`` reads every file, ``stat``
    only those whose size, times, inode or device differ; ``auto`` is ``stat`` above 2 GB."""
    test: Annotated[float, Field(gt=0, lt=1)] | Text | None = None
    """Images that no decision sees, for ``tlf evaluate RUN --split test``: a split of the dataset
    by its name, or a fraction of each class that is held out."""
    folds: Annotated[int, Field(ge=2, le=1000)] | None = None
    """Deal all images but those of ``test`` into so many folds; one of them is the eval split."""
    fold: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Which fold is the eval split, counted from 1."""
    group: Text | None = None
    """What may not be in two splits, such as the images of a patient: a column of the dataset; or,
    with a group in parentheses, a regular expression that finds it in the names of images."""

    def __post_init__(self) -> None:
        """Check that the keys of splits fit together."""
        check_keys(self.folds, self.fold, self.group)


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """``[cache]``: results that never change are computed once and stored."""

    mode: Literal["auto", "off"] = "auto"
    """``off`` stores nothing; the results are the same."""
    max_gb: Annotated[float, Field(gt=0, le=1e6)] = 20.0
    """Largest size in 10⁹ bytes; least-recently-used entries are evicted."""
    dir: PathText | None = None
    """The cache folder; None is ``$TLF_CACHE``, or ``~/.cache/tlf``."""
    views: Count | None = None
    """Where the first stages are frozen: draw so many random views of each image, instead of a new
    one in every epoch. Epoch e uses view e mod ``views``, so results differ."""


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """End a phase when the monitored metric no longer improves."""

    patience: Count
    """How many epochs may pass without an improvement."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """How much the metric must change to count as improved."""


@dataclass(frozen=True, kw_only=True)
class CheckpointEvery:
    """How often a checkpoint is written: by time, or by updates."""

    seconds: Positive | None = None
    """After so many seconds."""
    updates: Count | None = None
    """After so many updates."""

    def __post_init__(self) -> None:
        """Check that exactly one of the two is given."""
        if (self.seconds is None) == (self.updates is None):
            raise ValueError("must be { seconds = … } or { updates = … }")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """``[[phases]]``: epochs with one freeze policy and one schedule."""

    name: Text
    """What the phase is called; names differ within a recipe."""
    freeze: Annotated[
        tuple[FreezePolicy, ...],
        Kind("tlf_freeze_policies", "freeze policy", default="nothing", many=True),
    ]
    """A parameter is frozen if any of these policies names it."""
    epochs: Count
    """How many epochs the phase lasts, at most."""
    lr: Rate | Mapping[str, Rate]
    """The learning rate; or a table with one for ``head``, ``backbone`` and stages by name."""
    lr_matching: Mapping[str, Rate] | None = None
    """Regular expression → the learning rate of the parameters whose names contain a match. It
    replaces what ``lr`` and ``layer_decay`` say. Of several that match, the last one counts."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Each stage trains at this fraction of the next stage's learning rate."""
    scheduler: Annotated[Scheduler, Kind("tlf_schedulers", "scheduler", default="constant")]
    """What multiplies the learning rate from update to update."""
    optimizer: Annotated[Optimizer | None, Kind("tlf_optimizers", "optimizer")] = None
    """Instead of the recipe's."""
    early_stopping: EarlyStopping | None = None
    augment: Annotated[Augmentations | None, AUGMENTATIONS] = None
    """Instead of the recipe's."""
    sampler: Sampler | None = None
    """Instead of the recipe's."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay per update of an exponential moving average of the weights, which is then evaluated."""
    ema_warmup: bool = True
    """Whether the decay of ``ema`` begins at 0 and grows: after n updates it is at most
    1 - n^(-2/3)."""

    def __post_init__(self) -> None:
        """Check the regular expressions."""
        for pattern in self.lr_matching or ():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f"lr_matching must have regular expressions as keys, got {pattern!r}: {error}"
                ) from error


Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Extensions = Annotated[tuple[Any, ...], Kind("tlf_extensions", "extension", many=True)]
PretrainedBackbone = Annotated[Backbone, Kind("tlf_backbones", "backbone")]
NewHead = Annotated[Head, Kind("tlf_heads", "head", default="linear")]


Coverage = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True, kw_only=True)
class ModelRecipe:
    """The part of a recipe that a trained model is built from: to classify needs no other."""

    seed: Seed = 0
    coverage: Coverage = 0.9
    start_from: PathText | None = None
    extensions: Extensions = ()
    backbone: PretrainedBackbone
    head: NewHead


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that determines what a run computes, in the order of the data flow."""

    task: TaskName = tasks.DEFAULT
    """What the model predicts: one class for each image, or any number of them. It decides which
    ``loss`` and ``monitor`` a recipe has that names none."""
    seed: Seed = 0
    """Decides everything random: the new head, the order of images, augmentations."""
    precision: Literal["auto", "no", "fp16", "bf16"] = "auto"
    """``auto`` is the precision of ``accelerate launch``."""
    compile: bool = False
    """Whether torch.compile compiles the phases that train on images, for batches of any size. It
    pays in long phases. Bits differ."""
    tf32: bool = True
    """On NVIDIA GPUs since Ampere: whether float32 is rounded to TF32 before it is multiplied."""
    deterministic: bool = False
    """On GPUs: whether every run of a recipe gives the same bits. It is slower."""
    cudnn_benchmark: bool = False
    """On NVIDIA GPUs: whether cuDNN tries its kernels and takes the fastest. Bits may differ."""
    batch_size: Count = 32
    """Images per update, over all processes together."""
    accumulate: Annotated[int, Field(ge=1, le=MOST_PIECES)] | Literal["auto"] = 1
    """Pieces in which a batch is computed, one after the other, to fit into memory: ``auto`` is the
    fewest, found by trial before the run trains."""
    sampler: Sampler = "shuffled"
    """Which train images an epoch draws: ``shuffled`` is each one once; ``balanced`` as many draws,
    from every class equally many."""
    batchnorm: Literal["sync", "local"] = "sync"
    """Where BatchNorm that trains takes its statistics from: ``sync`` is all processes together,
    ``local`` each process by itself."""
    clip_grad_norm: Positive | None = None
    """Largest norm of the gradient over all parameters."""
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Processes that load images, per training process."""
    monitor: Monitor = tasks.DEFAULT_MONITOR
    """The figure that decides which epoch is the best: one of every run, or ``eval_`` and the name
    of one of ``metrics``."""
    metrics: Annotated[tuple[Metric, ...], Kind("tlf_metrics", "metric", many=True)] = ()
    """What every evaluation measures beside the loss and the metrics of the task: ``macro-f1``
    stands in the files as ``eval_macro_f1``."""
    calibration: Annotated[float, Field(gt=0, lt=1)] | Literal["eval", "out-of-fold"] = "eval"
    """Which images the temperature and thresholds come from: ``eval`` is the eval split; a
    fraction of the train split is held out for it, and never trained on;
    ``out-of-fold`` are all train images, each classified by a head that was not trained on it."""
    coverage: Coverage = 0.9
    """How often the label is among those that a prediction keeps. One that does not keep exactly
    one label is ``unsure``."""
    unlike: Literal["auto"] | bool = "auto"
    """Whether the run stores the embeddings of its train images, so that predictions say which
    images are unlike all of them: ``auto`` where their features are stored anyway."""
    output: PathText
    """The folder of the run's files."""
    start_from: PathText | None = None
    """The folder of a run, or its ``model.safetensors``, whose backbone and head training starts
    from."""
    plugins: tuple[Text, ...] = ()
    """Plugins to load for their hooks. Those of named components are loaded anyway."""
    extensions: Extensions = ()
    """Hooks of plugins that take options."""
    keep_state: bool = True
    """Whether a run that has ended keeps its state, so that it can be given more epochs."""
    report: Literal["auto"] | bool = "auto"
    """Whether the command line writes ``report.html`` at the end: ``auto`` is after 30 seconds or
    more; a shorter run ends with the command that writes it."""
    tracking: Annotated[Tracker | None, Kind("tlf_trackers", "tracker")] = None
    """The tool that keeps and shows the figures of runs, such as TensorBoard."""
    checkpoint_every: CheckpointEvery = CheckpointEvery(seconds=60.0)
    """How often a checkpoint is written."""
    cache: CacheSettings = CacheSettings()
    data: Data
    transforms: Transforms = USUAL
    backbone: PretrainedBackbone
    """The pretrained network, and its weights."""
    head: NewHead
    """The new last layers."""
    loss: Annotated[Loss, Kind("tlf_losses", "loss", default="cross-entropy")]
    """What is minimised."""
    optimizer: Annotated[Optimizer, Kind("tlf_optimizers", "optimizer", default="sgd")]
    """What makes updates of gradients."""
    phases: tuple[Phase, ...]
    """Stretches of training, one after the other."""

    def __repr__(self) -> str:
        """What it trains on and what it trains, in a line; ``vars`` has every value."""
        dataset = getattr(self.data, "dataset", self.data)
        parts = [shortened(repr(part), 60) for part in (dataset, self.backbone, self.head)]
        names = ", ".join(str(getattr(phase, "name", phase)) for phase in self.phases)
        return f"Recipe({' → '.join(parts)}; phases {names}; output {str(self.output)!r})"
