"""What a person sets on the page, for one lane."""

from collections.abc import Mapping
from dataclasses import dataclass

FROZEN, TRAINABLE = "frozen", "trainable"
PRETRAINED, RANDOM = "pretrained", "random"


@dataclass(frozen=True)
class Settings:
    """How a lane trains from its next step on. Other ``weights`` or another ``seed`` begin anew."""

    stages: Mapping[str, str]
    """Stage, from the stem to ``head`` → ``frozen``, ``trainable``, or the id of a preset: the part
    of the stage that this preset trains."""
    lr: Mapping[str, float]
    """Learning rates as a phase of a recipe has them: of ``head``, ``backbone``, or a stage."""
    layer_decay: float | None = None
    """Each stage trains at this fraction of the next stage's learning rate."""
    optimizer: str = "sgd"
    """Its kind, as a recipe names it."""
    batch: int = 8
    """Train images of a step."""
    weights: str = PRETRAINED
    """``pretrained``: those of the recipe; ``random``: drawn from the seed."""
    seed: int = 0
    naive: bool = False
    """Whether frozen only means ``requires_grad = False``, as in many tutorials: modules stay in
    training mode, so that BatchNorm's statistics change, and dropout drops."""
