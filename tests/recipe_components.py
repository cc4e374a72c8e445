"""Components, and recipes of them, that the tests of ``tlf.recipe`` read."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.errors import RecipeError
from tlf.recipe.files import resolve
from tlf.recipe.overrides import override
from tlf.recipe.schema import Recipe


@dataclass(frozen=True)
class Folder:
    root: str
    split: tuple[float, float] = (0.8, 0.2)


@dataclass(frozen=True)
class Starter: ...


@dataclass(frozen=True)
class Crop:
    scale: float = 0.5


@dataclass(frozen=True)
class Mixup:
    alpha: float = 0.2


@dataclass(frozen=True)
class Vision:
    model: str = "resnet18"
    weights: str | None = None


@dataclass(frozen=True)
class Linear:
    dropout: float = 0.0
    bias: bool = True

    def __post_init__(self):
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a fraction below 1, not {self.dropout}")


@dataclass(frozen=True)
class Mlp:
    hidden: tuple[int, ...] = (64,)
    activation: Literal["relu", "gelu"] = "relu"


@dataclass(frozen=True)
class CrossEntropy:
    label_smoothing: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """Nothing, norms, constant."""


@dataclass(frozen=True)
class Backboned(Named): ...


@dataclass(frozen=True)
class Norms(Named): ...


@dataclass(frozen=True)
class Constant: ...


@dataclass(frozen=True)
class UpTo:
    stage: str


@dataclass(frozen=True)
class Sgd:
    momentum: float = 0.9
    nesterov: bool = False


@dataclass(frozen=True)
class Cosine:
    warmup: float = 0.0
    cycles: int = 1


OWN, GEM = Plugin("tlf", "tlf", "0.1.0"), Plugin("gem", "tlf-gem", "2.0")


KINDS = {
    "tlf_datasets": {"starter": Starter, "folder": Folder},
    "tlf_augmentations": {"crop-flip": Crop, "mixup": Mixup},
    "tlf_backbones": {"torchvision": Vision},
    "tlf_heads": {"linear": Linear},
    "tlf_losses": {"cross-entropy": CrossEntropy},
    "tlf_freeze_policies": {
        "nothing": Named,
        "backbone": Backboned,
        "norms": Norms,
        "up-to": UpTo,
    },
    "tlf_optimizers": {"sgd": Sgd},
    "tlf_schedulers": {"constant": Constant, "cosine": Cosine},
}


CATALOGUE = Catalogue(
    (
        *(Offer(hook, kind, cls, OWN) for hook, cs in KINDS.items() for kind, cls in cs.items()),
        Offer("tlf_heads", "gem:mlp", Mlp, GEM),
    )
)


MINIMAL = """
data = "starter"
backbone = "torchvision"
[[phases]]
name = "head"
epochs = 3
lr = 1e-2
"""


FULL = """
seed       = 3
precision  = "bf16"
batch_size = 64
accumulate = 2
clip_grad_norm = 1
workers    = 4
monitor    = "eval_loss"
output     = "runs/full"
plugins    = ["wandb"]
loss       = { kind = "cross-entropy", label_smoothing = 0.1, weights = { ant = 2, "b.e" = 0.5 } }
[data]
kind = "folder"
root = "my/images"
split = [0.5, 0.5]
bad_images = "skip"
[transforms]
augment = ["crop-flip", { kind = "mixup", alpha = 1 }]
size = 96
resize = 112
[backbone]
kind = "torchvision"
weights = "starter"
[head]
kind = "gem:mlp"
hidden = [128, 64]
[optimizer]
kind = "sgd"
momentum = 0.5
[[phases]]
name = "head"
freeze = "backbone"
epochs = 3
lr = { head = 1e-2, backbone = 1e-3, "stages.2" = 1 }
augment = []
[[phases]]
name = "all"
freeze = ["norms", { kind = "up-to", stage = "layer2" }]
epochs = 10
lr = 1e-3
layer_decay = 0.7
scheduler = { kind = "cosine", warmup = 0.1 }
optimizer = "sgd"
early_stopping = { patience = 3 }
ema = 0.99
"""


def read(text: str, *overrides: str) -> Recipe:
    """The validated recipe."""
    table, problems = override(tomllib.loads(text), overrides)
    assert not problems
    return resolve(table, CATALOGUE, "recipes/flowers.toml")


def problems(text: str, *overrides: str) -> tuple[str, ...]:
    """The problems of a recipe."""
    with pytest.raises(RecipeError) as caught:
        read(text, *overrides)
    return caught.value.problems
