"""What the page shows that no step changes: the network, the images, the presets."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tlf.simulator.settings import Settings


@dataclass(frozen=True)
class Stage:
    """A stage of the network, or its head."""

    name: str
    parameters: int
    """Their number."""
    multiply_adds: int
    """Of its forward pass, for one image."""
    statistics: int
    """Layers in it that keep statistics of their input, such as BatchNorm."""
    observed: bool
    """Whether its output can be seen: some stages hold parameters and no module."""


@dataclass(frozen=True)
class SceneImage:
    """An image of the page."""

    name: str
    labels: tuple[int, ...]
    """Positions in the classes of the scene."""
    thumbnail: str | None
    """A JPEG file in base64; None where it cannot be shown."""


@dataclass(frozen=True)
class Preset:
    """Settings with a name."""

    id: str
    title: str
    text: str
    """What it is for: one sentence."""
    settings: Settings
    frozen: frozenset[str] = field(repr=False)
    """Names of the parameters that it freezes. They are not sent to the page."""
    trains: Mapping[str, int]
    """Stage → how many of its parameters train."""
    rates: str = ""
    """Where its learning rates come from: one sentence."""


@dataclass(frozen=True)
class Scene:
    """What the page shows, from the start."""

    title: str
    """The name of the recipe."""
    backbone: str
    """As a person would name it: ``torchvision resnet18``."""
    weights: str
    """Where its pretrained weights come from."""
    head: str
    size: int
    """Side of an image in pixels."""
    classes: tuple[str, ...]
    """Their names, in the order of the logits; of very many, ``#`` and the number of those that no
    image is of."""
    stages: tuple[Stage, ...]
    """From the stem to the head."""
    train: tuple[SceneImage, ...]
    """Images that steps train on: the first ``batch`` of them. There are as many as the largest of
    ``batches``."""
    eval: tuple[SceneImage, ...]
    """Images that no step trains on."""
    presets: tuple[Preset, ...]
    optimizers: tuple[str, ...]
    batches: tuple[int, ...]
    """Batch sizes to choose from."""
    initialisations: tuple[str, ...]
    """Weights to choose from: ``pretrained``, ``random``, or the first alone."""
    device: str
    """Where steps are computed, and by which versions."""
    right: str
    """When an image counts as right: one sentence."""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each: a smaller size, an image that was left out."""
