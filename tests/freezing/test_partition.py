"""The parts of a network are its whole, bit for bit, wherever it is cut."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from tlf.builtin.backbones import Timm, Torchvision
from tlf.freezing.find_partition import find_partition
from tlf.freezing.freeze import freeze
from tlf.freezing.partition import Layout, TrainablePart
from tlf.model import Classifier

NETWORKS = [
    ("torchvision:resnet18", 64),
    ("torchvision:mobilenet_v3_small", 64),
    ("torchvision:squeezenet1_1", 64),
    ("timm:test_resnet", 64),
    ("timm:test_vit", 160),
    ("timm:test_convnext", 64),
    ("timm:test_efficientnet", 64),
    ("timm:test_maxvit", 160),
    ("timm:test_mambaout", 64),
]


def classifier_of(network):
    library, _, model = network.partition(":")
    torch.manual_seed(0)
    built = {"timm": Timm, "torchvision": Torchvision}[library](model, "none").build()
    return Classifier(built.module, nn.Linear(built.num_features, 3), built.stages)


def below(classifier, count):
    """The parameters of the lowest stages."""
    return frozenset(n for names in [*classifier.stages.values()][:count] for n in names)


def found(classifier, frozen, size):
    freeze(classifier, frozen)
    return find_partition(classifier, frozen, (3, size, size), nullcontext)


def logits_and_gradients(classifier, images, model):
    """One training step's; randomness is the same in each call."""
    classifier.zero_grad()
    torch.manual_seed(1)
    logits = model(images)
    logits.square().sum().backward()
    gradients = {n: p.grad.clone() for n, p in classifier.named_parameters() if p.grad is not None}
    return logits.detach(), gradients


def assert_parts_are_the_whole(classifier, partition, size, batch):
    images = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(2))
    images = images.contiguous(memory_format=torch.channels_last)
    trainable = {n for n, p in classifier.named_parameters() if p.requires_grad}
    whole, expected = logits_and_gradients(classifier, images, classifier)
    values = partition.before(classifier, images)
    assert not values.requires_grad
    parts, gradients = logits_and_gradients(
        classifier, values, TrainablePart(classifier, partition)
    )
    assert torch.equal(whole, parts)
    assert gradients.keys() == expected.keys() == trainable
    assert [n for n in trainable if not torch.equal(gradients[n], expected[n])] == []
    # And from a store, which keeps bytes.
    assert torch.equal(values, partition.layout.shaped(partition.layout.flat(values)))
    assert partition.layout.flat(values).shape == (batch, partition.layout.row)


@pytest.mark.parametrize(("network", "size"), NETWORKS)
def test_a_network_is_cut_behind_every_stage(network, size):
    classifier = classifier_of(network)
    stages = [*classifier.stages]
    for count, stage in enumerate(stages, 1):
        partition = found(classifier, below(classifier, count), size)
        assert partition is not None, stage
        assert partition.stage == stage
        assert partition.whole == (count == len(stages))
        assert partition.name == ("features" if partition.whole else f"output of {stage}")
        assert_parts_are_the_whole(classifier, partition, size, batch=5)


def test_nothing_is_cut_where_the_stem_learns():
    classifier = classifier_of("timm:test_resnet")
    stages = [*classifier.stages]
    assert found(classifier, frozenset(), 32) is None
    assert found(classifier, frozenset(classifier.stages[stages[1]]), 32) is None


@pytest.mark.parametrize(
    ("network", "piece", "count"),
    [
        ("timm:efficientnet_b0", 32, 1),
        ("timm:efficientnet_b0", 32, 3),
        pytest.param("timm:efficientnet_b0", 4, 3, marks=pytest.mark.slow),
        ("torchvision:resnet18", 4, 2),
    ],
)
def test_the_frozen_stages_run_in_batches_in_which_every_place_is_alike(
    threads, network, piece, count
):
    """In batches of other sizes, an image's place decides its last bits."""
    threads(count)
    classifier = classifier_of(network)
    frozen = frozenset(classifier.backbone_names)
    freeze(classifier, frozen)
    partition = find_partition(classifier, frozen, (3, 64, 64), nullcontext, piece)
    images = torch.randn(partition.batch, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    values = partition.before(classifier, images)
    for place in range(1, partition.batch):
        moved = images.roll(place, 0).contiguous(memory_format=torch.channels_last)
        assert torch.equal(partition.before(classifier, moved), values.roll(place, 0))


def test_a_network_is_afterwards_as_before():
    classifier = classifier_of("timm:test_efficientnet")
    frozen = below(classifier, 3)
    freeze(classifier, frozen)
    modes = {name: module.training for name, module in classifier.named_modules()}
    attributes = {name: set(vars(module)) for name, module in classifier.named_modules()}
    state = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    before = torch.random.get_rng_state()
    partition = find_partition(classifier, frozen, (3, 64, 64), nullcontext)
    partition.behind(classifier, partition.before(classifier, torch.randn(2, 3, 64, 64)))
    assert {name: module.training for name, module in classifier.named_modules()} == modes
    assert {n: set(vars(module)) for n, module in classifier.named_modules()} == attributes
    for module in classifier.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    freeze(classifier, frozen)
    find_partition(classifier, frozen, (3, 64, 64), nullcontext)
    fixed = {n for n in state if "running" not in n and "batches" not in n}
    assert all(torch.equal(state[n], classifier.state_dict()[n]) for n in fixed)
    torch.random.set_rng_state(before)
    find_partition(classifier, frozen, (3, 64, 64), nullcontext)
    assert torch.equal(before, torch.random.get_rng_state())


def test_looking_for_a_cut_changes_no_statistics():
    classifier = classifier_of("timm:test_resnet")
    state = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    for count in range(1, 6):
        found(classifier, below(classifier, count), 32)
    after = classifier.state_dict()
    assert [name for name in state if not torch.equal(state[name], after[name])] == []


# Networks that are built to be hard to cut


class Toy(nn.Module):
    """Three stages of one layer each."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.middle, self.top = (nn.Conv2d(c, 4, 3, padding=1) for c in (3, 4, 4))
        self.act, self.drop = nn.ReLU(), nn.Dropout(0.5)

    def classifier(self):
        stages = {
            name: tuple(f"{name}.{key}" for key, _ in getattr(self, name).named_parameters())
            for name in ("stem", "middle", "top")
        }
        for name, _ in self.named_parameters():
            if "." not in name:
                stages["top"] += (name,)
        return Classifier(self, nn.Linear(4, 3), stages)

    def forward(self, images):
        x = self.stem(images)
        x = self.middle(x)
        return self.top(x).mean((2, 3))


class Sharing(Toy):
    """One ReLU and one Dropout for every stage."""

    def forward(self, images):
        x = self.drop(self.act(self.stem(images)))
        x = self.drop(self.act(self.middle(x)))
        return self.drop(self.act(self.top(x))).mean((2, 3))


class Skipping(Toy):
    """What the middle gives is looked at again behind the top."""

    def forward(self, images):
        x = self.middle(self.stem(images).relu())
        return (self.top(x) + x).mean((2, 3))


class SkippingFar(Toy):
    """What the stem gives is looked at again behind the top."""

    def forward(self, images):
        x = self.stem(images).relu()
        return (self.top(self.middle(x)) + x).mean((2, 3))


class SkippingPixels(Toy):
    """The image itself is looked at again behind the top."""

    def forward(self, images):
        x = self.top(self.middle(self.stem(images)))
        return x.mean((2, 3)) + images.mean((1, 2, 3))[:, None]


class Mixing(Toy):
    """What the stem makes of an image depends on the others in the batch."""

    def forward(self, images):
        x = self.stem(images)
        return self.top(self.middle(x - x.mean(0))).mean((2, 3))


class Dropping(Toy):
    """Drops out between stages without a module for it."""

    def forward(self, images):
        x = nn.functional.dropout(self.stem(images), 0.5, self.training)
        return self.top(self.middle(x)).mean((2, 3))


class Peeking(Toy):
    """A parameter of the top is used in the stem."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images):
        x = self.stem(images) * self.scale
        return self.top(self.middle(x)).mean((2, 3))


class Noisy(Toy):
    """The stem is random although it stands still."""

    def forward(self, images):
        x = self.stem(images)
        x = self.middle(x + torch.randn_like(x))
        return self.top(x).mean((2, 3))


class Counting(Toy):
    """The output depends on which call it is."""

    calls = 0

    def forward(self, images):
        self.calls += 1
        return self.top(self.middle(self.stem(images) + self.calls)).mean((2, 3))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_module_that_many_stages_share(count):
    classifier = Sharing().classifier()
    partition = found(classifier, below(classifier, count), 8)
    assert partition is not None
    assert_parts_are_the_whole(classifier, partition, 8, batch=5)


def test_where_a_later_stage_looks_back_the_cut_is_before():
    classifier = Skipping().classifier()
    partition = found(classifier, below(classifier, 2), 8)
    assert partition is not None
    assert partition.stage == "stem"
    assert_parts_are_the_whole(classifier, partition, 8, batch=5)


@pytest.mark.parametrize(
    "kind", [SkippingFar, SkippingPixels, Peeking, Noisy, Counting, Mixing, Dropping]
)
def test_what_cannot_be_proven_is_not_cut(kind):
    classifier = kind().classifier()
    assert found(classifier, below(classifier, 2), 8) is None


def test_a_whole_backbone_is_cut_even_where_its_stages_look_at_each_other():
    classifier = Skipping().classifier()
    partition = found(classifier, below(classifier, 3), 8)
    assert partition.whole
    assert_parts_are_the_whole(classifier, partition, 8, batch=5)


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
