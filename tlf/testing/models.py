"""Small classifiers with random weights, built offline."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import cache

from torch import nn

from tlf.components import Backbone, BuiltBackbone
from tlf.model import Classifier
from tlf.results import EpochResult, Progress, StageSignals
from tlf.runtime.seeds import seeded
from tlf.tasks import TASKS
from tlf.tasks.metric import LOSS
from tlf.testing.contract import own_catalogue
from tlf.testing.tiny_run import Network

CLASSES = 3

_NETWORKS = {
    "resnet18": ("torchvision", "resnet18"),
    "mobilenet_v3_small": ("torchvision", "mobilenet_v3_small"),
    "tiny_vit": ("timm", "test_vit.r160_in1k"),
}
"""A plain convolutional network, one with squeeze-and-excitation and hidden layers before its
classifier, and a transformer."""


def tiny_classifiers() -> dict[str, Classifier]:
    """Name → classifier of 3 classes on a linear head: ``resnet18`` and ``mobilenet_v3_small`` of
    torchvision and ``tiny_vit``, a transformer of 6 blocks. Random weights, new on every call.
    """
    return dict(each_classifier())


def tiny_classifier() -> Classifier:
    """A classifier of 3 classes on the network of ``tiny_run``, new on every call."""
    with seeded(0, "backbone"):
        return _classifier(Network().build())


def each_classifier() -> Iterator[tuple[str, Classifier]]:
    """The same, one after the other: a network is built when it is needed."""
    for name in _NETWORKS:
        yield name, _classifier(deepcopy(_built(name)))


def progresses(model: Classifier, epochs: int = 6) -> list[Progress]:
    """A phase's epochs, with results that improve, stall, and improve again."""
    history = results(epochs, tuple(model.stages))
    return [Progress(epoch, epochs, updates=4, history=history[:epoch]) for epoch in range(epochs)]


def results(epochs: int, stages: Sequence[str]) -> tuple[EpochResult, ...]:
    """The results of a phase's epochs, with the signals of every stage."""
    return tuple(_result(epoch, stages) for epoch in range(epochs))


def _result(epoch: int, stages: Sequence[str]) -> EpochResult:
    loss = (0.7, 0.5, 0.5, 0.5, 0.6, 0.3)[epoch % 6]
    metrics = {LOSS.name: loss + 0.1}
    for task in TASKS.values():
        metrics |= task.plausible(loss)
    names = [*stages, "head"]
    signals = {
        name: StageSignals(0.1 * (1 + (7 * place + epoch) % len(names)), 10.0, 1e-3)
        for place, name in enumerate(names)
    }
    return EpochResult("all", epoch, loss, metrics, 0.1, 4, 1.0, 9.0, signals)


def _classifier(built: BuiltBackbone) -> Classifier:
    with seeded(0, "head"):
        head = nn.Linear(built.num_features, CLASSES)
    return Classifier(built.module, head, built.stages)


@cache
def _built(name: str) -> BuiltBackbone:
    kind, network = _NETWORKS[name]
    backbone: Backbone = (
        own_catalogue().of("tlf_backbones")[kind].component(model=network, weights="none")
    )
    with seeded(0, "backbone"):
        return backbone.build()
