"""What is said about networks whose classifier is no plain linear layer."""

import re

import pytest
from torch import nn

from tlf.pretrained.own_classifiers import own_loader_note


def network(kind, **attributes):
    return type(kind, (nn.Module,), attributes)()


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (network("ResNet"), ""),
        (network("LevitDistilled"), "two heads; tlf export RUN --to timm writes a file that it"),
        (network("ResNetV2"), "its classifier is a convolution; tlf export RUN --to timm"),
        (network("SqueezeNet"), "cuts off negative logits .*; tlf export RUN --to torch-export"),
        (network("PoolingVisionTransformer", head_dist=None), ""),
        (network("PoolingVisionTransformer", head_dist=nn.Identity()), "two heads"),
        (network("MetaFormer", use_mlp_head=False), ""),
        (
            network("MetaFormer", use_mlp_head=True),
            "hidden layers; tlf export RUN --to torch-export",
        ),
    ],
)
def test_only_what_the_librarys_own_loader_refuses_is_noted(module, said):
    note = own_loader_note("timm", "net", module)
    assert re.search(said, note)
    start = "timm's own net does not load the run's model.safetensors: "
    assert note.startswith(start if said else "")
    assert bool(note) == bool(said)
