"""What a step has done, as it was measured. A number that does not exist is None, never 0."""

from collections.abc import Mapping
from dataclasses import dataclass

from tlf.simulator.settings import Settings


@dataclass(frozen=True)
class Statistics:
    """The statistics of a stage's layers, such as BatchNorm's mean and variance."""

    changed: bool
    """Whether a bit of them changed in this step."""
    drift: float | None
    """How far they are from those at the start: the norm of the difference, relative to theirs."""


@dataclass(frozen=True)
class StageRecord:
    """One stage, or the head, in one step. Norms are L2 norms over all of its values."""

    trains: int
    """How many of its parameters train."""
    rate: float | None
    """The highest learning rate of its parameters; None where none trains."""
    output: float | None
    """Norm of the output of its last module that has parameters, in the step; None where it cannot
    be seen, and at step 0."""
    flow: float | None
    """Norm of the gradient of the loss with respect to that output; None where there is no such
    gradient: nothing that the output depends on trains."""
    gradient: float | None
    """Norm of the gradient of its parameters, before it is clipped; None where no parameter has
    one."""
    weights: float | None
    """Norm of its parameters after the step; None where it has none."""
    update: float | None
    """Norm of the change of its parameters; None where none trains."""
    moved: int
    """How many of its parameters changed, if only by a bit."""
    unchanged: bool
    """Whether every parameter and every buffer is the same as before the step, bit for bit."""
    statistics: Statistics | None
    """None where it keeps none."""
    unused: int = 0
    """How many of its parameters are frozen only because the output does not depend on them."""


@dataclass(frozen=True)
class Measured:
    """Loss and predictions of some images, in eval mode, by the model as it is after a step."""

    loss: float | None
    """Mean over the images."""
    correct: int
    probabilities: tuple[tuple[tuple[int, float], ...], ...]
    """Of each image: its most probable classes, at most five, and its labels: pairs of class and
    probability, the most probable first. Empty where the probabilities are no numbers."""
    given: tuple[tuple[int, ...], ...]
    """Of each image: the classes that are predicted. It is right where these are its labels."""


@dataclass(frozen=True)
class StepRecord:
    """A step, or with ``step`` 0 the model before the first one."""

    step: int
    settings: Settings
    loss: float | None
    """Of the batch in the step itself, before the weights moved; None at step 0."""
    correct: int | None
    """Images of the batch that were classified correctly in the step itself; None where that is
    not known."""
    seconds: float | None
    """Time of the step: forward, backward and update."""
    stages: Mapping[str, StageRecord]
    train: Measured
    eval: Measured
    broken: str | None = None
    """What is no longer a finite number, and where first, as a person reads it: then no further
    step is made until a reset."""
    sentences: tuple[str, ...] = ()
    """What happened, in words."""
    filters: str | None = None
    """The first filters of the first layer, at most 16: a PNG file in base64. All of a lane's have
    one scale: middle grey is 0. None where they are as in the record before, and where the first
    layer is no convolution of grey or colour images."""
    skipped: bool = False
    """Whether nothing moved because gradients overflowed in fp16, whose scale is now lower."""
