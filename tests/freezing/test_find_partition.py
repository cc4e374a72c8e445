"""The two parts of a network give the bits of the whole, wherever it is partitioned."""

from contextlib import nullcontext

import pytest
import torch
from timm import is_model
from torch import nn

from tlf.builtin.backbones import Timm, Torchvision
from tlf.freezing.find_partition import find_partition
from tlf.freezing.freeze import freeze
from tlf.freezing.partition import TrainablePart
from tlf.model import Classifier

MAXVIT = pytest.mark.skipif(
    not is_model("test_maxvit"), reason="timm has test_maxvit from 1.0.31 on"
)
NETWORKS = [
    ("torchvision:resnet18", 32),
    ("torchvision:mobilenet_v3_small", 32),
    ("torchvision:squeezenet1_1", 32),
    ("timm:test_resnet", 64),
    ("timm:test_vit", 160),
    ("timm:test_convnext", 64),
    ("timm:test_efficientnet", 64),
    pytest.param("timm:test_maxvit", 160, marks=MAXVIT),
    ("timm:test_mambaout", 64),
]


def classifier_of(network):
    library, _, model = network.partition(":")
    torch.manual_seed(0)
    built = {"timm": Timm, "torchvision": Torchvision}[library](model, "none").build()
    return Classifier(built.module, nn.Linear(built.num_features, 3), built.stages)


def below(classifier, count):
    """Names of the parameters of the lowest stages."""
    return frozenset(n for names in [*classifier.stages.values()][:count] for n in names)


def partition_of(classifier, frozen, size):
    freeze(classifier, frozen)
    return find_partition(classifier, frozen, (3, size, size), nullcontext)


def logits_and_gradients(classifier, images, model):
    """Logits and gradients of a training step; randomness is the same in each call."""
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
    # The same from a store, which keeps bytes.
    assert torch.equal(values, partition.layout.shaped(partition.layout.flat(values)))
    assert partition.layout.flat(values).shape == (batch, partition.layout.row)


@pytest.mark.parametrize(("network", "size"), NETWORKS)
def test_a_network_is_partitioned_behind_every_stage(network, size):
    classifier = classifier_of(network)
    stages = [*classifier.stages]
    for count, stage in enumerate(stages, 1):
        partition = partition_of(classifier, below(classifier, count), size)
        assert partition is not None, stage
        assert partition.stage == stage
        assert partition.whole == (count == len(stages))
        assert partition.name == ("features" if partition.whole else f"output of {stage}")
        assert_parts_are_the_whole(classifier, partition, size, batch=5)


def test_there_is_no_partition_if_the_stem_trains():
    classifier = classifier_of("timm:test_resnet")
    stages = [*classifier.stages]
    assert partition_of(classifier, frozenset(), 32) is None
    assert partition_of(classifier, frozenset(classifier.stages[stages[1]]), 32) is None


@pytest.mark.parametrize(
    ("network", "piece", "count"),
    [
        ("timm:efficientnet_b0", 32, 1),
        pytest.param("timm:efficientnet_b0", 32, 3, marks=pytest.mark.slow),
        pytest.param("timm:efficientnet_b0", 4, 3, marks=pytest.mark.slow),
        ("torchvision:resnet18", 4, 2),
    ],
)
def test_the_frozen_stages_run_in_batches_in_which_places_do_not_matter(
    threads, network, piece, count
):
    """In batches of other sizes, the last bits of an output depend on the image's place."""
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


def test_the_search_and_the_parts_leave_the_network_unchanged():
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


def test_the_search_changes_no_statistics():
    classifier = classifier_of("timm:test_resnet")
    state = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    for count in range(1, 6):
        partition_of(classifier, below(classifier, count), 32)
    after = classifier.state_dict()
    assert [name for name in state if not torch.equal(state[name], after[name])] == []


# Networks that are hard to partition


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
    """The output of the middle is used again behind the top."""

    def forward(self, images):
        x = self.middle(self.stem(images).relu())
        return (self.top(x) + x).mean((2, 3))


class SkippingFar(Toy):
    """The output of the stem is used again behind the top."""

    def forward(self, images):
        x = self.stem(images).relu()
        return (self.top(self.middle(x)) + x).mean((2, 3))


class SkippingPixels(Toy):
    """The image itself is used again behind the top."""

    def forward(self, images):
        x = self.top(self.middle(self.stem(images)))
        return x.mean((2, 3)) + images.mean((1, 2, 3))[:, None]


class Mixing(Toy):
    """The input of the middle depends on the other images in the batch."""

    def forward(self, images):
        x = self.stem(images)
        return self.top(self.middle(x - x.mean(0))).mean((2, 3))


class Dropping(Toy):
    """A dropout between stages that is a function, not a module."""

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
    """The input of the middle is random although the stem is frozen."""

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
def test_stages_may_share_a_module(count):
    classifier = Sharing().classifier()
    partition = partition_of(classifier, below(classifier, count), 8)
    assert partition is not None
    assert_parts_are_the_whole(classifier, partition, 8, batch=5)


def test_the_partition_is_before_an_output_that_is_used_again():
    classifier = Skipping().classifier()
    partition = partition_of(classifier, below(classifier, 2), 8)
    assert partition is not None
    assert partition.stage == "stem"
    assert_parts_are_the_whole(classifier, partition, 8, batch=5)


@pytest.mark.parametrize(
    "kind", [SkippingFar, SkippingPixels, Peeking, Noisy, Counting, Mixing, Dropping]
)
def test_a_partition_that_cannot_be_proven_is_not_used(kind):
    classifier = kind().classifier()
    assert partition_of(classifier, below(classifier, 2), 8) is None


def test_a_whole_backbone_is_partitioned_from_the_head_even_with_skip_connections():
    classifier = Skipping().classifier()
    partition = partition_of(classifier, below(classifier, 3), 8)
    assert partition.whole
    assert_parts_are_the_whole(classifier, partition, 8, batch=5)
