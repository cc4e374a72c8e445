"""Mixtures lie on a line between two sets of weights, and the best one is written."""

import pytest
import torch
from tlf_wise import Interpolate, evaluated, mixed
from torch import nn

from tlf.components import Split
from tlf.preprocessing import Preprocessing
from tlf.results import EpochResult


def test_ends_and_middle():
    old = {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}
    new = {"w": torch.tensor([3.0, 0.0]), "n": torch.tensor(9), "head": torch.ones(1)}
    assert torch.equal(mixed(old, new, 0.0)["w"], old["w"])
    assert torch.equal(mixed(old, new, 1.0)["w"], new["w"])
    assert torch.equal(mixed(old, new, 0.5)["w"], torch.tensor([2.0, 1.0]))
    assert mixed(old, new, 0.0)["n"] == 9
    assert "head" not in mixed(old, new, 0.5)


def test_the_last_epoch_is_chosen_if_last_is_set():
    history = [EpochResult("all", n, 1.0, {"loss": 1.0}, 0.1, 1, 1.0, 1.0) for n in range(3)]
    assert Interpolate().tlf_select_best(history=history) is None
    assert Interpolate(last=True).tlf_select_best(history=history) == 2


def image(index):
    from io import BytesIO

    from PIL import Image

    if index == 2:
        return b"broken"
    held = BytesIO()
    Image.new("RGB", (8, 8), "white" if index else "black").save(held, "PNG")
    return held.getvalue()


def test_results_are_means_over_images():
    class Brightness(nn.Module):
        def forward(self, images):
            return images.mean((1, 2, 3))[:, None] * torch.tensor([0.0, 1.0])

    preprocessing = Preprocessing(size=8, resize=8, mean=(0.0,) * 3, std=(1.0,) * 3)
    top1, loss = evaluated(Brightness(), Split("abcd", (0, 0, 0, 1), image), preprocessing)
    logits = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert top1 == pytest.approx(2 / 3)
    expected = nn.functional.cross_entropy(logits, torch.tensor([0, 0, 1]))
    assert loss == pytest.approx(expected.item())


@pytest.mark.parametrize("shares", [(), (0.5, 1.5)])
def test_options_are_checked(shares):
    with pytest.raises(ValueError, match="shares must be fractions from 0 to 1, got"):
        Interpolate(shares)
