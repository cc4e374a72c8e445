"""A network in two parts, and the layout of what passes between them."""

import pytest
import torch
from torch import nn

from tlf.freezing.partition import (
    Layout,
    Partition,
    TrainablePart,
    replaced,
    start_of,
)
from tlf.model import Classifier

IMAGES = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class Backbone(nn.Module):
    """Two convolutions with one ReLU module, which is called after each of them."""

    def __init__(self):
        super().__init__()
        self.stem, self.top, self.act = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3), nn.ReLU()

    def forward(self, images):
        return self.act(self.top(self.act(self.stem(images)))).mean((2, 3))


class Again(Backbone):
    """The output of the stem is used again behind the top."""

    def forward(self, images):
        maps = self.stem(images)
        return self.top(maps).mean((2, 3)) + maps.mean((1, 2, 3))[:, None]


@pytest.fixture
def partition():
    """The partition behind the stem and the first call of the ReLU, written by hand."""
    maps = (4, 4, 4)
    layout = Layout(torch.float32, maps, (0, 1, 2))
    skipped = tuple((f"backbone.{name}", torch.float32, maps) for name in ("stem", "act"))
    return Partition("stem", False, "backbone.top", skipped, (3, 6, 6), layout)


def classifier_of(backbone):
    stages = {name: (f"{name}.weight", f"{name}.bias") for name in ("stem", "top")}
    return Classifier(backbone, nn.Linear(2, 3), stages)


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return classifier_of(Backbone())


def test_the_frozen_part_gives_the_input_of_the_boundary_without_a_graph(classifier, partition):
    values = partition.before(classifier, IMAGES)
    assert torch.equal(values, classifier.backbone.stem(IMAGES).relu())
    assert not values.requires_grad


def test_the_trainable_part_gives_the_logits_of_the_whole(classifier, partition):
    values = torch.rand(5, 4, 4, 4)
    features = classifier.backbone.top(values).relu().mean((2, 3))
    logits = TrainablePart(classifier, partition)(values)
    assert torch.equal(logits, classifier.head(features))
    logits.sum().backward()
    assert classifier.backbone.stem.weight.grad is None
    assert classifier.backbone.top.weight.grad.abs().sum() > 0


def test_an_output_that_is_used_again_makes_the_logits_nan(partition):
    classifier = classifier_of(Again())
    assert partition.behind(classifier, torch.rand(5, 4, 4, 4)).isnan().all()


def test_a_boundary_that_is_not_called_is_an_error(classifier, partition):
    classifier.backbone.forward = lambda images: images.mean((2, 3))[:, :2]
    with pytest.raises(RuntimeError, match=r"backbone\.top was not called"):
        partition.before(classifier, IMAGES)


def test_forwards_are_replaced_inside_the_block_only(classifier):
    backbone, stem = classifier.backbone, classifier.backbone.stem
    backbone.forward = lambda images: images
    before = dict(vars(backbone)), dict(vars(stem))
    with replaced([(backbone, len), (stem, len)]):
        assert (backbone.forward, stem.forward) == (len, len)
    assert (vars(backbone), vars(stem)) == before


def test_forwards_are_restored_after_an_error(classifier):
    stem = classifier.backbone.stem
    with pytest.raises(TypeError), replaced([(stem, len)]):
        stem(None)
    assert "forward" not in vars(stem)


def test_the_input_of_the_trainable_part_has_a_name(partition):
    whole = Partition("top", True, "head", (), (3, 6, 6), partition.layout)
    assert [start_of(part) for part in (None, partition, whole)] == [
        "images",
        "output of stem",
        "features",
    ]


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)], ids=["as-is", "channels-last", "odd"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_a_layout_keeps_every_value_and_its_place_in_memory(order, dtype):
    shape = (2, 3, 5)
    layout = Layout(dtype, shape, order)
    lengths = [shape[d] for d in order]
    stored = torch.arange(4 * 30).view(4, *lengths).to(dtype)
    values = stored.permute(0, *(1 + order.index(d) for d in range(3)))
    assert values.shape == (4, *shape)
    rows = layout.flat(values)
    assert rows.shape == (4, layout.row)
    assert layout.row == 30 * dtype.itemsize
    again = layout.shaped(rows[[2, 0]])
    assert torch.equal(again, values[[2, 0]])
    assert again.stride() == values.stride()
