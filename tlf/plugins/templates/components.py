"""The starts of plugins that offer components of recipes."""

from collections.abc import Mapping

from tlf.plugins.templates import Starter


def offering(hook: str, kind: str, cls: str) -> str:
    """The hook that offers a class under a kind."""
    return f'''

@hookimpl
def {hook}() -> dict[str, type]:
    """Offer it."""
    return {{"{kind}": {cls}}}
'''


DATASETS = '''from dataclasses import dataclass
from io import BytesIO

from PIL import Image
from tlf.components import Split, Splits
from tlf.hookspecs import hookimpl


@dataclass(frozen=True)
class Colors:
    """Images of one color each."""

    count: int = 8
    """How many images of each color."""

    def build(self) -> Splits:
        """Find the images and their classes."""
        names = [f"{color}-{n}" for n in range(self.count) for color in ("blue", "red")]
        split = Split(names, [index % 2 for index in range(len(names))], read)
        return Splits(train=split, eval=split, classes=("blue", "red"))


def read(index: int) -> bytes:
    """The bytes of an image file."""
    held = BytesIO()
    Image.new("RGB", (40, 40), "red" if index % 2 else "blue").save(held, "PNG")
    return held.getvalue()
''' + offering("tlf_datasets", "colors", "Colors")

AUGMENTATIONS = '''from dataclasses import dataclass

import torch
from tlf.hookspecs import hookimpl
from torch import Tensor


@dataclass(frozen=True)
class Invert:
    """Invert an image now and then."""

    chance: float = 0.2
    """How often, from 0 to 1."""

    def augment(self, image: Tensor, size: int) -> Tensor:
        """A uint8 image (C, H, W) → a new one."""
        return 255 - image if torch.rand(()) < self.chance else image.clone()
''' + offering("tlf_augmentations", "invert", "Invert")

TRANSFORMS = '''from dataclasses import dataclass

from tlf.hookspecs import hookimpl
from torch import Tensor


@dataclass(frozen=True)
class Negative:
    """Make a negative of every image."""

    white: int = 255
    """The value that becomes 0."""

    def transform(self, image: Tensor) -> Tensor:
        """A uint8 image (C, H, W) → a new one."""
        return self.white - image
''' + offering("tlf_transforms", "negative", "Negative")

BACKBONES = '''from dataclasses import dataclass

from tlf.components import BuiltBackbone
from tlf.hookspecs import hookimpl
from tlf.preprocessing import Preprocessing
from tlf.pretrained.stages import cut
from torch import nn


@dataclass(frozen=True)
class Small:
    """A network of two convolutions, with drawn weights."""

    width: int = 16
    """Channels of the first one."""

    def build(self) -> BuiltBackbone:
        """Build the network: images (B, C, H, W) → features (B, F)."""
        module = nn.Sequential(
            nn.Conv2d(3, self.width, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(self.width, 2 * self.width, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        how = Preprocessing(size=64, resize=72)
        return BuiltBackbone(module, 2 * self.width, cut(module), how, "fc")
''' + offering("tlf_backbones", "small", "Small")

HEADS = '''from dataclasses import dataclass

from tlf.hookspecs import hookimpl
from torch import nn


@dataclass(frozen=True)
class Normed:
    """A linear layer on normalised features."""

    eps: float = 1e-5
    """What is added to the variance."""

    def build(self, num_features: int, num_classes: int) -> nn.Module:
        """Build the module: features (B, F) → logits (B, K)."""
        norm = nn.LayerNorm(num_features, eps=self.eps)
        return nn.Sequential(norm, nn.Linear(num_features, num_classes))
''' + offering("tlf_heads", "normed", "Normed")

LOSSES = '''from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tlf.hookspecs import hookimpl
from torch import Tensor
from torch.nn.functional import one_hot


@dataclass(frozen=True)
class Brier:
    """The squared difference of the probabilities."""

    weight: float = 1.0
    """What it is multiplied by."""

    def build(self, class_counts: Sequence[int]) -> Callable[[Tensor, Tensor], Tensor]:
        """Build the function: logits (B, K) and labels or probabilities → one loss each (B,)."""

        def brier(logits: Tensor, labels: Tensor) -> Tensor:
            targets = labels if labels.ndim > 1 else one_hot(labels, logits.shape[1])
            return self.weight * (logits.softmax(1) - targets).square().sum(1)

        return brier
''' + offering("tlf_losses", "brier", "Brier")

METRICS = '''from dataclasses import dataclass

from tlf.hookspecs import hookimpl
from torch import Tensor
from torch.nn.functional import one_hot


@dataclass(frozen=True)
class Brier:
    """The Brier score: how far probabilities are from the labels."""

    title = "Brier"
    higher_is_better = False
    is_rate = False

    def measure(self, probabilities: Tensor, labels: Tensor) -> float:
        """Of all eval images: probabilities (N, K) and labels (N,) → a number."""
        targets = one_hot(labels, probabilities.shape[1])
        return (probabilities - targets).square().sum(1).mean().item()
''' + offering("tlf_metrics", "brier", "Brier")

OPTIMIZERS = '''from dataclasses import dataclass
from typing import Any

import torch
from tlf.hookspecs import hookimpl


@dataclass(frozen=True)
class RMSprop:
    """The optimizer RMSprop of torch."""

    alpha: float = 0.99
    """How slowly it forgets squared gradients."""

    def build(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Build it of parameter groups."""
        return torch.optim.RMSprop(groups, alpha=self.alpha)
''' + offering("tlf_optimizers", "rmsprop", "RMSprop")

SCHEDULERS = '''from dataclasses import dataclass

from tlf.hookspecs import hookimpl
from tlf.results import Progress


@dataclass(frozen=True)
class Falling:
    """The learning rate falls in a straight line."""

    last: float = 0.1
    """What the rate is multiplied by in the end."""

    def factor(self, progress: Progress) -> float:
        """What every learning rate is multiplied by in the next update."""
        return 1 - (1 - self.last) * progress.fraction
''' + offering("tlf_schedulers", "falling", "Falling")

EXTENSIONS = '''from dataclasses import dataclass, field
from typing import Any

from tlf.hookspecs import hookimpl
from tlf.results import RunResult, UpdateResult


@dataclass(frozen=True)
class Count:
    """Count the updates of a run, also of one that is stopped and resumed."""

    title: str = "updates"
    """What stands before the number."""
    state: dict[str, Any] = field(default_factory=dict, init=False)

    @hookimpl
    def tlf_update_ended(self, result: UpdateResult) -> None:
        """Count one more."""
        self.state["updates"] = self.state.get("updates", 0) + 1

    @hookimpl
    def tlf_run_ended(self, result: RunResult) -> None:
        """Print how many there were."""
        print(f"{self.title}: {self.state['updates']}")
''' + offering("tlf_extensions", "count", "Count")

_ONE = "tlf explain RECIPE "

STARTERS: Mapping[str, Starter] = {
    "tlf_datasets": Starter(
        "A dataset", DATASETS, _ONE + "'data={kind=\"$name:colors\"}'", "colors", "Colors",
        "check_dataset",
    ),
    "tlf_augmentations": Starter(
        "An augmentation", AUGMENTATIONS, _ONE + "transforms.augment=$name:invert", "invert",
        "Invert", "check_augmentation",
    ),
    "tlf_transforms": Starter(
        "A transform", TRANSFORMS, _ONE + "transforms.prepare=$name:negative", "negative",
        "Negative", "check_transform",
    ),
    "tlf_backbones": Starter(
        "A backbone", BACKBONES, _ONE + "'backbone={kind=\"$name:small\"}'", "small", "Small",
        "check_backbone",
    ),
    "tlf_heads": Starter(
        "A head", HEADS, _ONE + "head=$name:normed", "normed", "Normed", "check_head"
    ),
    "tlf_losses": Starter(
        "A loss", LOSSES, _ONE + "loss=$name:brier", "brier", "Brier", "check_loss"
    ),
    "tlf_metrics": Starter(
        "A metric", METRICS, _ONE + "metrics=$name:brier monitor=eval_brier", "brier", "Brier",
        "check_metric",
    ),
    "tlf_optimizers": Starter(
        "An optimizer", OPTIMIZERS, _ONE + "optimizer=$name:rmsprop", "rmsprop", "RMSprop",
        "check_optimizer",
    ),
    "tlf_schedulers": Starter(
        "A scheduler", SCHEDULERS, _ONE + "phases.0.scheduler=$name:falling", "falling", "Falling",
        "check_scheduler",
    ),
    "tlf_extensions": Starter(
        "An extension", EXTENSIONS, _ONE + "extensions=$name:count", "count", "Count"
    ),
}  # fmt: skip
"""Hook → its start."""
