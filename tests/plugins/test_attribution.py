"""What a plugin's augmentation does wrong while a run trains is blamed on the plugin."""

from dataclasses import dataclass

import pytest
import torch

from tlf.components import Augmentation, BatchAugmentation, Offer, Plugin
from tlf.errors import DataError, PluginError
from tlf.plugins.attribution import attributed

IMAGE = torch.zeros(3, 6, 8, dtype=torch.uint8)


@dataclass(frozen=True)
class Image:
    gives: object

    def augment(self, image, size):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


@dataclass(frozen=True)
class Batch:
    gives: object

    def mix(self, images, targets):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


def offered(component, plugin="pool"):
    distribution = "tlf" if plugin == "tlf" else f"tlf-{plugin}"
    kind = type(component).__name__.lower()
    offer = Offer("tlf_augmentations", kind, type(component), Plugin(plugin, distribution, "1.2"))
    return attributed(component, offer)


def test_what_comes_with_tlf_stays_as_it_is():
    assert offered(own := Image(IMAGE), "tlf") is own


def test_they_stay_what_they_are():
    assert isinstance(offered(Image(IMAGE)), Augmentation)
    assert not isinstance(offered(Image(IMAGE)), BatchAugmentation)
    assert isinstance(offered(Batch(0)), BatchAugmentation)
    assert offered(Image(IMAGE)).augment(IMAGE, 4) is IMAGE


@pytest.mark.parametrize(
    ("gives", "told"),
    [
        (KeyError("x"), "failed in augment: KeyError: 'x'"),
        (ValueError("too dark"), ": too dark"),
        (
            IMAGE.float(),
            "augment must return torch.uint8 of 3 channels (C, H, W), got torch.float32 (3, 6, 8)",
        ),
        (
            IMAGE[:1],
            "augment must return torch.uint8 of 3 channels (C, H, W), got torch.uint8 (1, 6, 8)",
        ),
        (None, "failed in augment: AttributeError"),
    ],
)
def test_images(gives, told):
    with pytest.raises(PluginError, match=r"^'image' \(tlf-pool 1.2\)") as caught:
        offered(Image(gives)).augment(IMAGE, 4)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("gives", "told"),
    [
        (IndexError("x"), "failed in mix: IndexError: x"),
        (
            (torch.zeros(1), torch.zeros(2, 2)),
            "mix must return the shapes (2, 3) and (2, 2), got (1,) and (2, 2)",
        ),
        (3, "failed in mix: TypeError"),
    ],
)
def test_batches(gives, told):
    with pytest.raises(PluginError, match=r"^'batch' \(tlf-pool 1.2\)") as caught:
        offered(Batch(gives)).mix(torch.zeros(2, 3), torch.zeros(2, 2))
    assert told in str(caught.value)


def test_the_errors_of_tlf_pass():
    with pytest.raises(DataError, match=r"^unreadable$"):
        offered(Image(DataError("unreadable"))).augment(IMAGE, 4)
