"""What is compiled is compiled once."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch._dynamo.backends.debugging import aot_eager
from torch._dynamo.utils import counters

from tlf.builtin.optimizers import Sgd
from tlf.freezing.freeze import digests
from tlf.model import Classifier
from tlf.runtime.devices import start_accelerator
from tlf.training.epoch import _compile_time
from tlf.training.segments.compiled import Compiled
from tlf.training.segments.segment import SegmentSetup, begin_segment, end_segment

LAYERS = 3


def network() -> Classifier:
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.GELU()) for _ in range(LAYERS)]
    backbone = nn.Sequential(nn.Flatten(), *layers)
    stages = {
        f"{n + 1}": [f"{n + 1}.{name}" for name, _ in layer.named_parameters()]
        for n, layer in enumerate(layers)
    }
    return Classifier(backbone, nn.Linear(6, 2), stages)


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that were compiled, by a backend that computes them, and their gradients, by
    torch's own kernels.
    """
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return aot_eager(graph, inputs)

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    torch._dynamo.reset()
    counters.clear()
    yield compiled
    torch._dynamo.reset()


@pytest.fixture
def accelerator():
    yield start_accelerator("bf16")
    start_accelerator("no")


def trained(
    accelerator: Accelerator,
    classifier: Classifier,
    frozen: set[str],
    compiled: Compiled | None,
    sizes: tuple[int, ...] = (8, 5, 8, 3),
) -> None:
    """Train a segment on batches of these sizes."""
    rates = {name: 0.1 for name, _ in classifier.named_parameters() if name not in frozen}
    setup = SegmentSetup(frozenset(frozen), rates, Sgd(), compiled=compiled)
    segment = begin_segment(accelerator, classifier, setup)
    for size in sizes:
        images = torch.randn(size, 3, 1, 2, generator=torch.Generator().manual_seed(size))
        accelerator.backward(segment.model(images).square().mean())
        segment.optimizer.step()
        segment.optimizer.zero_grad()
    end_segment(accelerator, segment)


def test_a_segment_that_comes_again_compiles_nothing(graphs, accelerator):
    """As an alternating policy makes them, or a later phase: with new wrappers and optimizers."""
    classifier, plain = network(), network()
    compiled, counts = Compiled(classifier), []
    for stage in ("1", "2", "1"):
        trained(accelerator, classifier, set(classifier.stage(stage)), compiled)
        counts.append(len(graphs))
        trained(accelerator, plain, set(plain.stage(stage)), None)
    assert counts == [1, 2, 2]  # and one graph for batches of all sizes
    for one, other in zip(classifier.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_gradual_thaw_of_many_stages_is_compiled_to_its_end(graphs, monkeypatch):
    """Beyond torch's own limit, everything would run uncompiled without a word."""
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 2)
    classifier, accelerator = network(), start_accelerator("no")
    compiled, frozen = Compiled(classifier), set(classifier.backbone_names)
    for stage in reversed(classifier.stages):
        frozen -= set(classifier.stage(stage))
        before = digests(classifier)
        trained(accelerator, classifier, frozen, compiled, (2,))
        after = digests(classifier)
        assert {name for name in after if after[name] == before[name]} == frozen
    assert len(graphs) == compiled.count == LAYERS


def test_the_time_is_told_where_something_was_compiled():
    segment = SimpleNamespace(compiling=[])
    told = [
        [notice.text for notice in _compile_time(segment, seconds, compiled=compiled)]
        for seconds, compiled in [(0.5, False), (9.0, True), (1.0, False), (1.0, False)]
    ]
    assert told == [[], [], ["compiling took 8.0 s of the 9.0 s that an update took"], []]
