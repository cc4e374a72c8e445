"""What a component is: a frozen dataclass. Its fields are its recipe options, its docstring is
its help, and its one verb is what it does. The Protocols below are the verbs; nothing inherits
from them.

Letters for shapes: B images in a batch, C channels, H and W height and width in pixels,
F features, K classes, N tokens.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tlf.preprocessing import Preprocessing
from tlf.results import Progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tlf.model import Classifier


@dataclass(frozen=True)
class Split:
    """The images of one split. ``read`` gives an image file's bytes, whatever it is stored
    in.
    """

    names: Sequence[str]
    """What a person finds each image by: usually its path."""
    labels: Sequence[Any]
    """Each image's label, as the task has it: for one label per image, the index of its class."""
    read: Callable[[int], bytes]
    """Index → the encoded image (JPEG, PNG, …). Has to be picklable: loading may use
    processes."""

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Splits:
    """What a dataset builds: images to train on, images to evaluate on, and the class names.

    The class map comes from the train split; the eval split is aligned to it by name.
    """

    train: Split
    eval: Split
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What a person should know about how the splits came about: one sentence each."""


@dataclass(frozen=True)
class BuiltBackbone:
    """What a backbone builds: the network without its classifier, and what is known about it."""

    module: "nn.Module"
    """Images (B, C, H, W) → features (B, F). Where it also has ``forward_features``, images →
    maps (B, F, H, W) or tokens (B, N, F), heads that pool for themselves can sit on it."""
    num_features: int
    """F."""
    stages: Mapping[str, tuple[str, ...]]
    """Stage name → names of its parameters in ``module``, from the stem to the top. Stages carry
    the model's own module names (``layer4``, ``blocks.11``); the first is called ``stem``. Every
    parameter belongs to exactly one stage."""
    preprocessing: Preprocessing
    classifier: str
    """The name under which the architecture keeps its own classifier (``fc``, ``classifier.1``): a
    linear head is stored under it, so that the architecture's own loader finds it."""


class Backbone(Protocol):
    """A pretrained network that turns images into features.

    It may also have ``expected_preprocessing() -> Preprocessing | None``: how images are prepared
    for it, if that is known without importing torch. They are then decoded while torch is imported.
    What is built decides: where it says otherwise, that work was in vain.
    """

    def build(self) -> BuiltBackbone:
        """Build the network and load its weights."""


class Head(Protocol):
    """The new last layers: features (B, F) → logits (B, K).

    The module it builds may set the attribute ``pools = True``: it is then given the backbone's
    maps (B, F, H, W) or tokens (B, N, F) instead of features (B, F).
    """

    def build(self, num_features: int, num_classes: int) -> "nn.Module":
        """Build the head for F features and K classes."""


class FreezePolicy(Protocol):
    """Says which parameters stand still. A pure function: it names them, the engine freezes
    them.
    """

    def frozen(self, model: "Classifier", progress: Progress) -> Collection[str]:
        """Names of the parameters that stand still in this epoch, as ``model`` names them."""


class Scheduler(Protocol):
    """Says what the learning rate is multiplied by. A pure function of the progress."""

    def factor(self, progress: Progress) -> float:
        """What every learning rate is multiplied by for the next update."""


class Optimizer(Protocol):
    """Builds a torch optimizer.

    A field ``decay`` may say which parameters ``weight_decay`` holds for: ``"weights"`` (all but
    norms and biases; also what holds where the field is missing) or ``"all"``.
    """

    def build(self, groups: list[dict[str, Any]]) -> "torch.optim.Optimizer":
        """Build it. Each group has ``params``, ``lr`` and, where nothing decays, ``weight_decay =
        0``.
        """


class Dataset(Protocol):
    """Says where images and labels are."""

    def build(self) -> Splits:
        """Find the images and their classes; decode nothing."""


@runtime_checkable
class Augmentation(Protocol):
    """Changes an image of the train split at random.

    One that does the same to an image every time may say so by a class attribute ``fixed = True``:
    what comes behind it can then be computed once.

    Randomness comes from torch's default generator, which the engine seeds from (seed, epoch,
    index): an image looks the same in the same epoch however many workers and processes there
    are.
    """

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """A uint8 image (C, H, W) → a uint8 image. What is not ``size`` × ``size`` in the end
        is cropped at its centre by the engine.
        """


@runtime_checkable
class BatchAugmentation(Protocol):
    """Mixes the images of a train batch. Randomness comes from torch's default generator, which
    the engine seeds from (seed, epoch, update), the same in every process.
    """

    def mix(self, images: "Tensor", targets: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Images (B, C, H, W) and class probabilities (B, K) → the same shapes, mixed. Image i
        may only be mixed with image B - 1 - i: the engine deals batches to processes in such
        pairs.
        """


class Loss(Protocol):
    """Builds the function that is minimised."""

    def build(self, class_counts: Sequence[int]) -> "Callable[[Tensor, Tensor], Tensor]":
        """``class_counts``: images per class in the train split. The function takes logits (B,
        K) and labels (B,) or class probabilities (B, K), and gives one loss for each image
        (B,).
        """


@dataclass(frozen=True)
class Plugin:
    """One plugin as it was loaded."""

    name: str
    """Its entry point's name; ``tlf`` for what comes with tlf."""
    distribution: str
    version: str


@dataclass(frozen=True)
class Offer:
    """A kind of component, the class behind it, and the plugin that offers it."""

    hook: str
    """The hook it came through, such as ``tlf_heads``."""
    kind: str
    """The name for it in a recipe: ``linear``, or ``plugin:name`` for a third party's."""
    component: type
    plugin: Plugin


@dataclass(frozen=True)
class Catalogue:
    """Everything that a recipe can name."""

    offers: tuple[Offer, ...]

    def of(self, hook: str) -> Mapping[str, Offer]:
        """Kind → offer, for one component hook."""
        return {offer.kind: offer for offer in self.offers if offer.hook == hook}

    def offer(self, component: object) -> Offer:
        """The offer that ``component`` was made from."""
        return next(offer for offer in self.offers if offer.component is type(component))
