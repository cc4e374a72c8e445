"""Whether timm or torchvision loads a run's model."""

from dataclasses import replace

import pytest

from tlf.publishing import loaders as module
from tlf.publishing.loaders import own_loader


def test_the_library_of_the_backbone_is_tried(finished):
    assert own_loader(finished).fits


@pytest.mark.slow
def test_torchvision_is_tried_too(finished_torchvision):
    assert own_loader(finished_torchvision).fits


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"backbone": {"kind": "mine:net"}}, "its backbone is no network of timm or torchvision"),
        ({"head": {"kind": "mlp"}}, "its head is no linear layer with a bias"),
        ({"head": {"kind": "linear", "bias": False}}, "its head is no linear layer with a bias"),
        ({"classes": ("a", "b", "c")}, "its tensors are not those of the library's own network"),
    ],
)
def test_why_it_does_not(finished, monkeypatch, changes, told):
    read = module.read_metadata
    monkeypatch.setattr(module, "read_metadata", lambda path: replace(read(path), **changes))
    assert own_loader(finished).reason == told
