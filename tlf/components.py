"""What a component is: a frozen dataclass. Its fields are its recipe options, its docstring is
its help, and it does its work in one method. The Protocols below define these methods; nothing
inherits from them.

Letters for shapes: B images in a batch, C channels, H and W height and width in pixels,
F features, K classes, N tokens.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tlf.dataset_splits import HeldOut as HeldOut
from tlf.dataset_splits import Labelled as Labelled
from tlf.dataset_splits import Split as Split
from tlf.dataset_splits import Splits as Splits
from tlf.dataset_splits import Stamp as Stamp
from tlf.preprocessing import Preprocessing
from tlf.results import Progress
from tlf.tasks.class_counts import ClassCounts

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tlf.model import Classifier


DATA_KEYS = ("bad_images", "white", "missing_in_eval", "unknown_in_eval", "fixes", "verify",
             "test", "folds", "fold", "group")  # fmt: skip
"""Keys of ``[data]`` that are the engine's: they hold for every dataset, and none may have an
option of such a name."""


def _always(text: str) -> bool:
    return True


@dataclass(frozen=True)
class IsPath:
    """Marks an option whose text is a path: ``file: Annotated[str, IsPath()]``. An option of type
    ``Path`` needs no mark. Relative paths are relative to the working directory; a component is
    given absolute ones.
    """

    when: Callable[[str], bool] = _always
    """Says whether a text is a path, for an option that may also be something else."""


@dataclass(frozen=True)
class BuiltBackbone:
    """What a backbone builds: the network without its classifier, and its description."""

    module: "nn.Module"
    """Images (B, C, H, W) → features (B, F). If it also has ``forward_features``, images → maps
    (B, F, H, W) or tokens (B, N, F), it can be used with heads that do the pooling."""
    num_features: int
    """F."""
    stages: Mapping[str, tuple[str, ...]]
    """Stage name → names of its parameters in ``module``, from the stem to the top. Stages have
    the model's own module names (``layer4``, ``blocks.11``); the first is called ``stem``. Every
    parameter belongs to exactly one stage."""
    preprocessing: Preprocessing
    classifier: str
    """The module name of the architecture's own classifier (``fc``, ``classifier.1``). A linear
    head is stored under this name, so that the architecture's own loader finds it."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What ``rebuild`` needs beside the options to build the same network without its pretrained
    weights: values of JSON. A run stores it."""
    own_loader: str = ""
    """Where the architecture's own loader does not take a linear head from ``model.safetensors``:
    a sentence that says why. A run and ``tlf explain`` show it before training."""
    notes: tuple[str, ...] = ()
    """What a person should know about the weights, such as what was resized: one sentence each. A
    run shows and stores them."""


class Backbone(Protocol):
    """A pretrained network that turns images into features.

    It may also have ``build_at(size) -> BuiltBackbone``: build the network for images of another
    size than its weights are for. It is called instead of ``build`` where a recipe has
    ``transforms.size``. Without this method, the network has to take images of any size.

    It may also have ``rebuild(config) -> BuiltBackbone``: build the same network without its
    pretrained weights, from ``BuiltBackbone.config``. A trained run is loaded into it. Without this
    method, ``build`` is called, and the pretrained weights have to be there whenever the run is
    loaded.
    """

    def build(self) -> BuiltBackbone:
        """Build the network and load its weights."""


class Head(Protocol):
    """The new last layers: features (B, F) → logits (B, K).

    If the module that it builds has the attribute ``pools = True``, its input is the backbone's
    maps (B, F, H, W) or tokens (B, N, F) instead of features (B, F).
    """

    def build(self, num_features: int, num_classes: int) -> "nn.Module":
        """Build the head for F features and K classes."""


class FreezePolicy(Protocol):
    """Says which parameters are frozen. A pure function: it names them, the engine freezes
    them.
    """

    def frozen(self, model: "Classifier", progress: Progress) -> Collection[str]:
        """Names of the parameters that are frozen in this epoch, as ``model`` names them. It is
        asked twice and has to give the same names.
        """


class Scheduler(Protocol):
    """Says what learning rates are multiplied by. A pure function of the progress."""

    def factor(self, progress: Progress) -> float:
        """What every learning rate is multiplied by in the next step: finite, and 0 or more."""


class Optimizer(Protocol):
    """Builds a torch optimizer.

    A field ``decay`` may say which parameters ``weight_decay`` applies to: ``"weights"`` (all but
    norms and biases; the default if there is no such field) or ``"all"``.
    """

    def build(self, groups: list[dict[str, Any]]) -> "torch.optim.Optimizer":
        """Build it of these groups, as they are. Each has ``params`` and ``lr``, and
        ``weight_decay = 0`` if its parameters do not decay.
        """


class Dataset(Protocol):
    """Finds images and their labels. It may also have ``labelled(split: str | None) -> Labelled``:
    the images of one split by name; None: of its eval split, else all. Nothing is held out.

    It may also have ``build_with(test: str | None, columns: Sequence[str]) -> Splits``: ``build``
    with its split ``test`` as ``Splits.test``, and these columns in ``Split.columns``. The engine
    draws what it divides from an option ``seed``, if there is one.

    If it names no path and still lists its images without a server, it has the class attribute
    ``on_disk = True``. Where nobody asked for images, in a card for example, those of others are
    not listed.
    """

    def build(self) -> Splits:
        """Find the images and their classes; decode no image."""


@runtime_checkable
class Augmentation(Protocol):
    """Changes an image of the train split at random.

    If it changes an image in the same way every time, it may have the class attribute ``fixed =
    True``: what the frozen part makes of the image is then computed once. With ``changes = False``
    it leaves images as they are, and is not called.

    If it crops the image to ``size`` × ``size``, it may have the class attribute ``crops = True``.
    Where it comes first, it then gets the image at the resolution of its file, if the recipe does
    not say ``transforms.crop_from = "resized"``. All others get the resized image.

    If it takes images of 16 bits, too, it has the class attribute ``depths = (8, 16)``: with
    ``transforms.depth = 16``, images are uint16, and 65,535 is white.

    Randomness comes from torch's default generator, which the engine seeds from (seed, epoch,
    index): an image looks the same in the same epoch, whatever the number of workers and
    processes.
    """

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """A uint8 image (C, H, W) → a uint8 image. If the result is not ``size`` × ``size``, the
        engine crops it at its centre.
        """


class Transform(Protocol):
    """Changes every image in the same way: those of train and eval, and those that the trained
    model classifies later. Nothing in it is random. ``depths`` is as that of an ``Augmentation``.
    """

    def transform(self, image: "Tensor") -> "Tensor":
        """A resized uint8 image (C, H, W) → a uint8 image of as many channels. The engine then
        augments it, where it trains, and crops it at its centre.
        """


@runtime_checkable
class BatchAugmentation(Protocol):
    """Mixes the images of a train batch. Randomness comes from torch's default generator, which
    the engine seeds from (seed, epoch, step), the same in every process.
    """

    def mix(self, images: "Tensor", targets: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Images (B, C, H, W) and class probabilities (B, K) → the same shapes, mixed. Image i
        may only be mixed with image B - 1 - i: the engine keeps such pairs together when it
        shards a batch over processes.
        """


class Loss(Protocol):
    """Builds the function that is minimised.

    It may also have the class attribute ``tasks``, the names of the tasks that it fits; without it,
    it is for ``single-label``. The loss is tried on labels of the recipe's task before anything
    trains.
    """

    def build(self, class_counts: ClassCounts) -> "Callable[[Tensor, Tensor], Tensor]":
        """``class_counts``: images per class in the train split, a list; ``class_counts.images`` is
        their number in all. The function takes logits (B, K) and labels (B,) or class
        probabilities (B, K), and returns one loss for each image (B,): finite, and 0 or more. With
        any number of labels for an image, labels are (B, K), each 0 or 1, or between them where
        images are mixed.
        """


class Metric(Protocol):
    """Measures a model in every epoch. Its class says how the figure is shown and compared: a rate
    is a fraction from 0 to 1. These attributes are no options. It may also have the class attribute
    ``tasks``, the names of the tasks that it fits; without it, it is for ``single-label``.
    """

    title: str
    higher_is_better: bool
    is_rate: bool

    def measure(self, probabilities: "Tensor", labels: "Tensor") -> float:
        """Probabilities (N, K) and labels (N, …), as the task has them, of all eval images, on the
        CPU → a finite number.
        """


class Exporter(Protocol):
    """Writes a trained model for another library. It is named on the command line, so it has no
    options that must be given.

    It may also have ``load(path: Path) -> Callable[[Tensor], Tensor]``: load the file as its users
    do, and give what computes logits (B, K) of images (B, C, S, S). tlf then writes nothing that
    does not give the model's probabilities.
    """

    file: str
    """The name of the file, unless another is given; loaders may rely on its suffix."""

    def write(
        self,
        model: "Classifier",
        classes: Sequence[str],
        preprocessing: Preprocessing,
        path: Path,
    ) -> None:
        """Write one file: of the model in evaluation mode, its classes in the order of the logits,
        and how images are prepared for it.
        """
