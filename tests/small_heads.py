"""Heads in files, on a small backbone."""

from dataclasses import asdict

import torch
from torch import nn

from tlf.heads import KINDS
from tlf.inference.metadata import Metadata
from tlf.inference.model_files import backbone_sha256, save_head
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing

F, K = 16, 3
"""Features and classes."""


def backbone(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, F, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def metadata_of(classifier, head, kind, plugins=()):
    return Metadata(
        classes=("ants", "bees", "Ω moths"),
        preprocessing=Preprocessing(size=8, resize=9),
        head={"kind": kind, **asdict(head)},
        backbone={"kind": "timm", "model": "tiny", "sha256": backbone_sha256(classifier)},
        num_features=F,
        classifier="fc",
        metrics={"eval_top1": 0.5},
        plugins=dict(plugins),
        tlf="0.1.0",
    )


def written(path, head, kind=None, plugins=(), features=None):
    """A classifier with such a head, and the head in a file."""
    torch.manual_seed(1)
    stages = {"stem": ("0.weight", "0.bias")}
    classifier = Classifier(backbone(), head.build(F, K), stages)
    for name, value in classifier.head.named_buffers():
        if value.is_floating_point() and name != "scale":
            nn.init.uniform_(value, 0.5, 2.0)  # running statistics as after training
    kinds = {component: name for name, component in KINDS.items()}
    kind = kind or kinds[type(head)]
    if features is None:
        pools = getattr(classifier.head, "pools", False)
        features = torch.randn(1, F, 4, 4) if pools else torch.randn(1, F)
    save_head(path, classifier, metadata_of(classifier, head, kind, plugins), features)
    return classifier.eval(), features
