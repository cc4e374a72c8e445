"""Components that each break one rule of their contract. Not a test: the tests of tlf.testing
import it from the path, as they would a plugin.
"""

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from tlf.components import BuiltBackbone, Split, Splits
from tlf.preprocessing import Preprocessing

RULES: dict[str, tuple[str, str, Callable[[], object]]] = {}
"""Name → hook, what the sentence says, and how to make the component."""
_COUNT: dict[str, int] = {}


def breaks(hook: str, told: str, **options: Any):
    def note(cls: type) -> type:
        RULES[cls.__name__] = (hook, told, lambda: cls(**options))
        return cls

    return note


def again(name: str) -> int:
    """How often it was called."""
    _COUNT[name] = _COUNT.get(name, 0) + 1
    return _COUNT[name]


# Options

FREEZE, HEAD, BACKBONE = "tlf_freeze_policies", "tlf_heads", "tlf_backbones"
LOSS, SCHEDULER, OPTIMIZER = "tlf_losses", "tlf_schedulers", "tlf_optimizers"
DATASET, AUGMENT = "tlf_datasets", "tlf_augmentations"


@breaks(SCHEDULER, "is not frozen; write @dataclass(frozen=True)")
@dataclass
class Thawed:
    def factor(self, progress):
        return 1.0


@breaks(SCHEDULER, "has no method factor")
@dataclass(frozen=True)
class Verbless:
    rate: float = 1.0


@breaks(SCHEDULER, "does not survive a recipe", shape=lambda x: x)
@dataclass(frozen=True)
class Callback:
    shape: Callable[[float], float]

    def factor(self, progress):
        return 1.0


@breaks(SCHEDULER, "comes back from a recipe as", low=0.1)
@dataclass(frozen=True)
class Drifting:
    low: float = 0.1

    def __post_init__(self):
        object.__setattr__(self, "low", self.low * 0.5)

    def factor(self, progress):
        return 1.0


def local_class() -> object:
    @dataclass(frozen=True)
    class Local:
        def factor(self, progress):
            return 1.0

    return Local()


RULES["Local"] = (SCHEDULER, "cannot be used in a second process", local_class)

# Schedulers


@breaks(SCHEDULER, "gives nan at epoch 0, update 0. The contract: a factor is a finite")
@dataclass(frozen=True)
class NotANumber:
    def factor(self, progress):
        return float("nan")


@breaks(SCHEDULER, "gives tensor(1.) at epoch 0")
@dataclass(frozen=True)
class TensorFactor:
    def factor(self, progress):
        return torch.tensor(1.0)


@breaks(SCHEDULER, "gives 0 throughout a phase of 1 × 1 updates")
@dataclass(frozen=True)
class Zero:
    def factor(self, progress):
        return progress.fraction


@breaks(SCHEDULER, "gives another factor when it is asked again")
@dataclass(frozen=True)
class Counting:
    def factor(self, progress):
        return 1 / again("Counting")


@breaks(SCHEDULER, "draws random numbers (random) in factor")
@dataclass(frozen=True)
class Dice:
    def factor(self, progress):
        return 1.0 if random.random() < 2 else 0.0


@breaks(SCHEDULER, "breaks in factor at epoch 0, update 0: ZeroDivisionError")
@dataclass(frozen=True)
class Divider:
    def factor(self, progress):
        return 1 / progress.epoch


@breaks(SCHEDULER, "gives something else in a second process")
@dataclass(frozen=True)
class Ranked:
    def factor(self, progress):
        return 1.0 + int(os.environ.get("RANK", "0"))


# Freeze policies


@breaks(FREEZE, "names ['layer4.0.conv1.weight'] in resnet18, which is no parameter of it")
@dataclass(frozen=True)
class Misnamed:
    def frozen(self, model, progress):
        return ["layer4.0.conv1.weight"]


@breaks(FREEZE, "gives a str for resnet18")
@dataclass(frozen=True)
class OneName:
    def frozen(self, model, progress):
        return "head.weight"


@breaks(FREEZE, "freezes everything in resnet18. The contract: something learns in every epoch")
@dataclass(frozen=True)
class Everything:
    def frozen(self, model, progress):
        return [name for name, _ in model.named_parameters()]


@breaks(FREEZE, "changes requires_grad of backbone.conv1.weight of resnet18")
@dataclass(frozen=True)
class Doer:
    def frozen(self, model, progress):
        for name in model.stage("stem"):
            model.get_parameter(name).requires_grad_(False)
        return model.stage("stem")


@breaks(FREEZE, "changes the mode of the model of resnet18")
@dataclass(frozen=True)
class Rester:
    def frozen(self, model, progress):
        model.eval()
        return model.stage("stem")


@breaks(FREEZE, "gives another answer for resnet18 when it is asked again")
@dataclass(frozen=True)
class Remembering:
    def frozen(self, model, progress):
        return model.stage("stem") if again("Remembering") % 4 else ()


@breaks(FREEZE, "draws random numbers (torch) in frozen")
@dataclass(frozen=True)
class Gambler:
    def frozen(self, model, progress):
        return model.stage("stem") if torch.rand(()) < 2 else ()


@breaks(FREEZE, "gives another answer for resnet18 when the model was frozen before")
@dataclass(frozen=True)
class ByFlags:
    def frozen(self, model, progress):
        learning = [n for n in model.backbone_names if model.get_parameter(n).requires_grad]
        return learning[:3]


@breaks(FREEZE, "breaks in frozen on mobilenet_v3_small, epoch 0: KeyError: 'layer4'")
@dataclass(frozen=True)
class OnlyResNet:
    def frozen(self, model, progress):
        return model.stages["layer4"]


@breaks(FREEZE, "refuses every model: resnet18: no; mobilenet_v3_small: no; tiny_vit: no")
@dataclass(frozen=True)
class Refusing:
    def frozen(self, model, progress):
        raise ValueError("no")


@breaks(FREEZE, "gives something else in a second process")
@dataclass(frozen=True)
class Hashing:
    def frozen(self, model, progress):
        return sorted(model.backbone_names, key=hash)[:5]


# Heads


@dataclass(frozen=True)
class Head:
    def build(self, num_features, num_classes):
        return nn.Linear(num_features, num_classes)


@breaks(HEAD, "builds a int")
@dataclass(frozen=True)
class NoModule:
    def build(self, num_features, num_classes):
        return num_classes


@breaks(HEAD, "gives torch.float32 (4, 3) for features (B, F) with B = 4. The contract: logits are")
@dataclass(frozen=True)
class ThreeClasses:
    def build(self, num_features, num_classes):
        return nn.Linear(num_features, 3)


@breaks(HEAD, "starts with other weights under the same seed")
@dataclass(frozen=True)
class NumpyStart:
    def build(self, num_features, num_classes):
        layer = nn.Linear(num_features, num_classes)
        layer.weight.data = torch.rand(
            layer.weight.shape, generator=torch.Generator().manual_seed(time.time_ns())
        )
        return layer


@breaks(HEAD, "draws from ['numpy'] in build")
@dataclass(frozen=True)
class NumpyDraw:
    def build(self, num_features, num_classes):
        np.random.rand()
        return nn.Linear(num_features, num_classes)


class Wrong(nn.Module):
    """A linear layer with one fault."""

    def __init__(self, fault, num_features, num_classes):
        super().__init__()
        self.fault = fault
        self.linear = nn.Linear(num_features, num_classes)
        self.register_buffer("seen", torch.zeros(()))
        if fault == "unused":
            self.spare = nn.Linear(2, 2)
        if fault == "tied":
            self.register_buffer("twin", self.linear.weight.data)
        if fault == "hidden":
            self.secret = torch.randn(num_classes)

    def forward(self, x):  # noqa: C901 - a fault each
        match self.fault:
            case "noise":
                return self.linear(x + 0.01 * torch.randn_like(x))
            case "clock":
                return self.linear(x) + again("clock")
            case "batch":
                return self.linear(x - x.mean(0))
            case "write":
                self.seen += 1
            case "cut":
                return self.linear(x).detach()
            case "deaf":
                return self.linear(x.detach())
            case "hidden":
                return self.linear(x) + self.secret
            case "one":
                return self.linear(x.squeeze(0))
        return self.linear(x)


@dataclass(frozen=True)
class WrongHead:
    fault: str = ""

    def build(self, num_features, num_classes):
        return Wrong(self.fault, num_features, num_classes)


for fault, told in {
    "noise": "draws random numbers (torch) in the forward pass at rest, on features (B, F)",
    "clock": "gives another logits for the same pictures at rest",
    "batch": "gives another logits for a picture when the others in its batch change",
    "write": "writes to seen at rest, on features (B, F)",
    "cut": "cuts the graph while training",
    "deaf": "lets no gradient through to features (B, F)",
    "unused": "has a parameter spare.weight that no gradient reaches",
    "tied": "keeps one tensor under two names, twin and linear.weight",
    "hidden": "gives other logits when its state is loaded into another build",
    "one": "for features (B, F) with B = 1",
}.items():
    RULES[f"head-{fault}"] = (HEAD, told, lambda fault=fault: WrongHead(fault))

# Losses


@breaks(LOSS, "gives Tensor () for 6 pictures")
@dataclass(frozen=True)
class MeanLoss:
    def build(self, class_counts):
        return nn.CrossEntropyLoss()


def cross_entropy(logits, labels):
    return nn.functional.cross_entropy(
        logits, labels.to(logits.dtype) if labels.ndim > 1 else labels, reduction="none"
    )


@breaks(LOSS, "breaks in a call with class probabilities (B, K)")
@dataclass(frozen=True)
class HardLabels:
    def build(self, class_counts):
        return lambda x, y: -x.log_softmax(1).gather(1, y[:, None])[:, 0]


@breaks(LOSS, "is not finite for logits up to")
@dataclass(frozen=True)
class Underflowing:
    def build(self, class_counts):
        def loss(x, y):
            shares = y if y.ndim > 1 else nn.functional.one_hot(y, x.shape[1])
            return -(x.softmax(1).log() * shares).sum(1)

        return loss


@breaks(LOSS, "of a picture changes with the others in its batch")
@dataclass(frozen=True)
class Relative:
    def build(self, class_counts):
        return lambda x, y: cross_entropy(x, y) / cross_entropy(x, y).sum()


@breaks(LOSS, "cuts the graph: no gradient reaches the logits")
@dataclass(frozen=True)
class Detached:
    def build(self, class_counts):
        return lambda x, y: cross_entropy(x.detach(), y)


@breaks(LOSS, "does not ask for a higher logit of the right class")
@dataclass(frozen=True)
class Upside:
    def build(self, class_counts):
        return lambda x, y: -cross_entropy(x, y)


@breaks(LOSS, "draws random numbers (torch) in the loss")
@dataclass(frozen=True)
class NoisyLoss:
    def build(self, class_counts):
        return lambda x, y: cross_entropy(x, y) + 0 * torch.rand(())


# Optimizers


@breaks(OPTIMIZER, "builds a list")
@dataclass(frozen=True)
class NoOptimizer:
    def build(self, groups):
        return groups


@breaks(OPTIMIZER, "does not hold the parameters that it was given")
@dataclass(frozen=True)
class HalfOptimizer:
    def build(self, groups):
        return torch.optim.SGD(groups[:1], lr=0.1)


@breaks(OPTIMIZER, "changes or drops ['lr'] of a group")
@dataclass(frozen=True)
class OwnRate:
    def build(self, groups):
        for group in groups:
            group["lr"] = 0.5
        return torch.optim.SGD(groups)


class Faulty(torch.optim.SGD):
    """SGD with momentum and one fault."""

    def __init__(self, groups, fault):
        super().__init__(groups, lr=0.1, momentum=0.9)
        self.fault = fault
        self.steps = 0

    def step(self, closure=None):  # noqa: C901 - a fault each
        self.steps += 1
        match self.fault:
            case "up":
                for group in self.param_groups:
                    for p in group["params"]:
                        p.grad = None if p.grad is None else -p.grad
            case "constant":
                for group in self.param_groups:
                    for p in group["params"]:
                        if p.grad is not None:
                            p.data -= 1e-3 * p.grad
            case "decay":
                for group in self.param_groups:
                    for p in group["params"]:
                        p.data *= 1 - 0.1 * group["lr"]
            case "counter":
                for group in self.param_groups:
                    for p in group["params"]:
                        p.data *= 1 - 0.01 * group["lr"] * (self.steps if p.grad is not None else 0)
            case "noise":
                for group in self.param_groups:
                    for p in group["params"]:
                        p.data += 1e-3 * group["lr"] * torch.randn_like(p) * (p.grad is not None)
            case "odd":
                for group in self.param_groups:
                    for p in group["params"]:
                        self.state[p]["window"] = {3}
        super().step(closure)


@dataclass(frozen=True)
class FaultyOptimizer:
    fault: str = ""

    def build(self, groups):
        return Faulty(groups, self.fault)


for fault, told in {
    "up": "does not bring a loss of",
    "constant": "moves weights at a learning rate of 0",
    "decay": "moves weights that have no gradient",
    "noise": "comes to other weights from the same gradients",
    "counter": "comes to other weights if its state is stored and restored on the way",
    "odd": "has a state that cannot be stored: optimizer/state/0.weight/window holds a set",
}.items():
    RULES[f"optimizer-{fault}"] = (OPTIMIZER, told, lambda fault=fault: FaultyOptimizer(fault))

# Augmentations


@dataclass(frozen=True)
class Augment:
    fault: str = ""

    def augment(self, image, size):
        match self.fault:
            case "float":
                return image / 255
            case "place":
                return image.neg_()
            case "numpy":
                return image.clamp_max(int(254 + np.random.rand()))
            case "clock":
                return image.roll(again("roll") % 7, 2)
            case "square":
                return image + torch.zeros(40, 40, dtype=torch.uint8)
            case "list":
                return image.tolist()
        return image


for fault, told in {
    "float": "makes torch.float32 (3, 40, 40) of a picture (3, 40, 40)",
    "place": "changes the picture (3, 40, 40) that it was given",
    "numpy": "draws from ['numpy'] in augment",
    "clock": "makes another picture of (3, 40, 40) under the same seed",
    "square": "breaks in augment of a picture (3, 33, 57): RuntimeError",
    "list": "gives a list",
}.items():
    RULES[f"augment-{fault}"] = (AUGMENT, told, lambda fault=fault: Augment(fault))


@dataclass(frozen=True)
class Mix:
    fault: str = ""

    def mix(self, images, targets):
        share = torch.rand(()).item()
        match self.fault:
            case "roll":
                return images * share + images.roll(1, 0) * (1 - share), targets
            case "sum":
                return images, targets * 0.5
            case "half":
                return images[: len(images) // 2], targets[: len(images) // 2]
            case "each":
                shares = torch.rand(len(images), 1, 1, 1)
                return images * shares + images.flip(0) * (1 - shares), targets
            case "clock":
                return images + again("mix"), targets
        return images, targets


for fault, told in {
    "roll": "lets others than picture 6 of 8 into picture 1",
    "sum": "gives class probabilities that sum to [0.5",
    "half": "makes images torch.float32 (4, 3, 12, 10) of torch.float32 (8, 3, 12, 10)",
    "each": "mixes a share of 4 otherwise than the whole batch of 8",
    "clock": "mixes otherwise under one seed",
}.items():
    RULES[f"mix-{fault}"] = (AUGMENT, told, lambda fault=fault: Mix(fault))

# Datasets


def picture(index: int) -> bytes:
    from io import BytesIO

    from PIL import Image

    held = BytesIO()
    Image.new("RGB", (8, 8), (index % 256, 0, 0)).save(held, "PNG")
    return held.getvalue()


def noise(index: int) -> bytes:
    return picture(again("noise"))


def text(index: int) -> str:
    return "picture"


def garbage(index: int) -> bytes:
    return b"picture"


@dataclass(frozen=True)
class Shapes:
    fault: str = ""

    def build(self):  # noqa: C901 - a fault each
        names, labels = [f"{i}.png" for i in range(6)], [0, 1, 0, 1, 0, 1]
        classes: Any = ("circle", "square")
        read: Any = picture
        match self.fault:
            case "order":
                names = names if again("order") % 2 else names[::-1]
            case "hash":
                names = sorted(names, key=hash)
            case "labels":
                labels = labels[1:]
            case "range":
                labels = [0, 1, 2, 0, 1, 0]
            case "tensor":
                labels = torch.tensor(labels)
            case "absent":
                labels = [0] * 6
            case "names":
                names[1] = names[0]
            case "classes":
                classes = ["circle", "square"]
            case "twins":
                classes = ("circle", "circle")
            case "lone":
                classes, labels = ("circle",), [0] * 6
            case "local":
                read = lambda index: picture(index)  # noqa: E731
            case "noise":
                read = noise
            case "text":
                read = text
            case "garbage":
                read = garbage
            case "key":
                read = {}.__getitem__
            case "list":
                return [names, labels]
        empty = Split((), (), picture)
        part = Split(names, labels, read)
        return Splits(part, empty if self.fault == "empty" else part, classes)


for fault, told in {
    "order": "lists other pictures, or in another order, when it is built again",
    "hash": "gives something else in a second process, where strings are hashed otherwise",
    "labels": "has 5 labels for 6 pictures of its train split",
    "range": "has a label [2] in its train split",
    "tensor": "a label is a Python int",
    "absent": "has no train picture of ['square']",
    "names": "has 1 names twice in its train split",
    "classes": "gives classes = ['circle', 'square']",
    "twins": "has two classes called ['circle']",
    "lone": "has classes = ('circle',)",
    "local": "gives its train split a read that no other process can use",
    "noise": "reads other bytes as 0.png again",
    "text": "reads a str as 0.png",
    "garbage": "breaks in decoding 0.png",
    "key": "breaks in read(0) of its train split: KeyError",
    "list": "builds a list",
    "empty": "has no picture in its eval split",
}.items():
    RULES[f"dataset-{fault}"] = (DATASET, told, lambda fault=fault: Shapes(fault))

# Backbones


class Network(nn.Module):
    """Three convolutions, with one fault."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.low = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.mid = nn.Sequential(Middle(fault), nn.Conv2d(4, 4, 3))
        self.top = nn.Conv2d(4, 8, 3)
        if fault == "unused":
            self.mid.append(nn.ModuleList([nn.Conv2d(1, 1, 1)])[0])
            self.mid[2].forward = lambda x: x
        if fault == "fc":
            self.fc = nn.Linear(8, 8)
        if fault == "numpy":
            self.low[0].bias.data.fill_(time.time_ns() % 1000)

    def forward(self, x):
        maps = self.top(self.mid(self.low(x)))
        if self.fault == "maps":
            return maps
        if self.fault == "flat":
            return maps.flatten(1)[:, :8] if len(maps) > 1 else maps.mean((2, 3))[0]
        if self.fault == "top":
            maps = maps - maps.mean(0)
        features = maps.mean((2, 3))
        return self.fc(features) if self.fault == "fc" else features


class Tokens(Network):
    def forward_features(self, x):
        return self.mid(self.low(x))


class Middle(nn.Module):
    """What goes wrong inside a stage."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.weight = nn.Parameter(torch.ones(4, 1, 1))
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x):
        match self.fault:
            case "batch":
                x = x - x.mean(0)
            case "write":
                self.mean += 1
            case "chance":
                x = x + 0.1 * torch.randn(())
        return x * self.weight


@dataclass(frozen=True)
class WrongBackbone:
    fault: str = ""

    def build(self):
        module = (Tokens if self.fault == "tokens" else Network)(self.fault)
        names = [name for name, _ in module.named_parameters()]
        parts = {"stem": "low", "mid": "mid", "top": "top"}
        if self.fault == "swapped":
            parts = {"stem": "low", "top": "top", "mid": "mid"}
        if self.fault == "reserved":
            parts = {"stem": "low", "mid": "mid", "head": "top"}
        if self.fault == "stemless":
            parts = {"low": "low", "mid": "mid", "top": "top"}
        if self.fault == "left":
            parts.pop("mid")
        stages = {
            stage: tuple(n for n in names if n.split(".")[0] in (part, stage == "top" and "fc"))
            for stage, part in parts.items()
        }  # fmt: skip
        if self.fault == "module":
            return module
        wide = 9 if self.fault == "wide" else 8
        return BuiltBackbone(module, wide, stages, Preprocessing(size=12, resize=14), "fc")


for fault, told in {
    "module": "builds a Network. The contract: build gives a BuiltBackbone",
    "wide": "gives (3, 8) for 3 pictures. The contract: features are (B, F), and num_features says",
    "maps": "gives (3, 8, 6, 6) for 3 pictures",
    "flat": "gives (8,) for 1 pictures",
    "tokens": "gives (3, 4, 8, 8) from forward_features",
    "numpy": "starts with other weights under the same seed",
    "unused": "has a parameter mid.2.weight that no gradient reaches",
    "fc": "still holds parameters under fc, the name of its classifier",
    "swapped": "lists its stages as ['stem', 'top', 'mid'], and pictures pass them as ",
    "reserved": "calls its stages ['stem', 'mid', 'head']",
    "stemless": "calls its stages ['low', 'mid', 'top']",
    "left": "cuts its stages wrongly: every parameter of a backbone belongs to exactly one stage",
    "top": "gives another features for a picture when the others in its batch change at rest",
    "batch": "gives another features for a picture when the others in its batch change at rest",
    "write": "writes to mid.0.mean at rest",
    "chance": "draws random numbers (torch) in the forward pass at rest",
}.items():
    RULES[f"backbone-{fault}"] = (BACKBONE, told, lambda fault=fault: WrongBackbone(fault))


class Leaking(nn.Module):
    """Looks at rest as long as all of it rests; else its stem writes, draws, or mixes pictures."""

    def __init__(self, fault):
        super().__init__()
        self.low, self.top = Low(fault), nn.Conv2d(4, 8, 3)

    def forward(self, x):
        return self.top(self.low(x, self.training)).mean((2, 3))


class Low(nn.Module):
    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x, learning):
        x = self.conv(x)
        match self.fault if learning else None:
            case "write":
                self.seen += 1
            case "chance":
                x = x + torch.randn(())
            case "batch":
                x = x - x.mean(0)
        return x


@dataclass(frozen=True)
class LeakingBackbone:
    fault: str = ""

    def build(self):
        module = Leaking(self.fault)
        stages = {"stem": ("low.conv.weight", "low.conv.bias"), "top": ("top.weight", "top.bias")}
        return BuiltBackbone(module, 8, stages, Preprocessing(size=12, resize=14), "fc")


for fault, told in {
    "write": "writes to ['backbone.low.seen'] with the stages up to stem frozen",
    "chance": "gives another output of backbone.low for the same pictures with the stages up to",
    "batch": "lets the other pictures of a batch change a picture's output of backbone.low with",
}.items():
    RULES[f"leaking-{fault}"] = (BACKBONE, told, lambda fault=fault: LeakingBackbone(fault))

WHOLES = [
    (HEAD, WrongHead()), (OPTIMIZER, FaultyOptimizer()), (DATASET, Shapes()), (AUGMENT, Augment()),
    (AUGMENT, Mix()), (BACKBONE, WrongBackbone()), (BACKBONE, LeakingBackbone()),
]  # fmt: skip
"""The same without a fault: what is caught is the fault, and nothing else."""
