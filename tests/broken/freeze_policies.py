"""Freeze policies."""

import random
from dataclasses import dataclass, field

import torch

from broken.rules import Rules, again

RULES = Rules()


@RULES.broken("names ['layer4.0.conv1.weight'] in resnet18, which is not a parameter of it")
@dataclass(frozen=True)
class Misnamed:
    def frozen(self, model, progress):
        return ["layer4.0.conv1.weight"]


@RULES.broken("gives a str for resnet18")
@dataclass(frozen=True)
class OneName:
    def frozen(self, model, progress):
        return "head.weight"


@RULES.broken("freezes everything in resnet18. The contract: something trains in every epoch")
@dataclass(frozen=True)
class Everything:
    def frozen(self, model, progress):
        return [name for name, _ in model.named_parameters()]


@RULES.broken("changes requires_grad of backbone.conv1.weight of resnet18")
@dataclass(frozen=True)
class Doer:
    def frozen(self, model, progress):
        for name in model.stage("stem"):
            model.get_parameter(name).requires_grad_(False)
        return model.stage("stem")


@RULES.broken("changes the mode of the model of resnet18")
@dataclass(frozen=True)
class Rester:
    def frozen(self, model, progress):
        model.eval()
        return model.stage("stem")


@RULES.broken("gives different names for resnet18 when it is called again")
@dataclass(frozen=True)
class Remembering:
    def frozen(self, model, progress):
        return model.stage("stem") if again("Remembering") % 4 else ()


@RULES.broken("draws random numbers (torch) in frozen")
@dataclass(frozen=True)
class Gambler:
    def frozen(self, model, progress):
        return model.stage("stem") if torch.rand(()) < 2 else ()


@RULES.broken("gives different names for resnet18 when the model was frozen before")
@dataclass(frozen=True)
class ByFlags:
    def frozen(self, model, progress):
        trainable = [n for n in model.backbone_names if model.get_parameter(n).requires_grad]
        return trainable[:3]


@RULES.broken("fails in frozen on mobilenet_v3_small, epoch 0: KeyError: 'layer4'")
@dataclass(frozen=True)
class OnlyResNet:
    def frozen(self, model, progress):
        return model.stages["layer4"]


@RULES.broken("refuses every model: resnet18: no; mobilenet_v3_small: no; tiny_vit: no")
@dataclass(frozen=True)
class Refusing:
    def frozen(self, model, progress):
        raise ValueError("no")


@RULES.broken("gives something else in a second process")
@dataclass(frozen=True)
class Hashing:
    def frozen(self, model, progress):
        return sorted(model.backbone_names, key=hash)[:5]


@RULES.broken("changes its own options. The contract: options do not change")
@dataclass(frozen=True)
class Collecting:
    seen: list[int] = field(default_factory=list)

    def frozen(self, model, progress):
        self.seen.append(progress.epoch)
        return model.stage("stem")


@RULES.broken("changes its own options")
@dataclass(frozen=True)
class Thawing:
    after: int = 4

    def frozen(self, model, progress):
        object.__setattr__(self, "after", max(1, self.after - 1))
        return model.stage("stem")


@RULES.broken("gives different names for resnet18 when it is called again")
@dataclass(frozen=True)
class RarelyRandom:
    def frozen(self, model, progress):
        return model.stage("stem") if random.SystemRandom().random() < 0.8 else ()


@RULES.broken("changes stages of resnet18")
@dataclass(frozen=True)
class Regrouping:
    def frozen(self, model, progress):
        model.stages = {"stem": model.backbone_names}
        return model.stage("stem")[:2]


@RULES.broken("changes the progress that it is given for resnet18")
@dataclass(frozen=True)
class Forging:
    def frozen(self, model, progress):
        for result in progress.history:
            result.metrics["top1"] = 1.0
        return model.stage("stem")
