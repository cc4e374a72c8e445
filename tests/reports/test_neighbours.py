import numpy as np
import pytest

from tlf.checks.neighbours import unit
from tlf.components import Split, Splits
from tlf.data.embedded import EmbeddedSplits
from tlf.reports import neighbours as module
from tlf.reports.neighbours import neighbours
from tlf.tasks import TASKS


def test_the_nearest_training_images_by_the_angle_of_their_embeddings():
    train = Split(("a", "b", "c"), (0, 1, 1), lambda index: bytes([index]))
    embedded = EmbeddedSplits(
        splits=Splits(train, Split(("d", "e"), (0, 1), bytes), ("ant", "bee")),
        task=TASKS["single-label"],
        train=np.array([[2, 0], [0, 3], [1, 1]], np.float32),
        eval=np.array([[0, 9], [5, 0]], np.float32),
        pixels={},
        preprocessing={},
        manifests={},
    )
    found = neighbours(embedded, [1, 0], count=2)
    assert [*found] == [1, 0]
    assert [(one.name, one.label) for one in found[1]] == [("a", "ant"), ("c", "bee")]
    assert [one.name for one in found[0]] == ["b", "c"]
    assert found[1][0].similarity == 1.0
    assert found[0][1].read() == b"\x02"
    assert len(neighbours(embedded, [0], count=9)[0]) == 3
    assert neighbours(embedded, []) == {}


def test_block_by_block_they_are_the_same(monkeypatch):
    random = np.random.default_rng(0)
    names = [f"{number}" for number in range(30_000)]
    train = Split(names, [0] * len(names), bytes)
    embedded = EmbeddedSplits(
        splits=Splits(train, Split(("d",), (0,), bytes), ("ant", "bee")),
        task=TASKS["single-label"],
        train=random.normal(size=(len(names), 24)).astype(np.float32),
        eval=random.normal(size=(13, 24)).astype(np.float32),
        pixels={},
        preprocessing={},
        manifests={},
    )
    found = neighbours(embedded, range(13))
    similar = unit(embedded.eval) @ unit(embedded.train).T
    assert [each[0].similarity for each in found.values()] == similar.max(1).tolist()
    monkeypatch.setattr(module, "_BLOCK", 4 * len(names))
    again = neighbours(embedded, range(13))
    assert [*found] == [*again] == [*range(13)]
    for image, near in found.items():
        assert [one.name for one in near] == [one.name for one in again[image]]
        # Some processors add the products of a smaller block in another order.
        similar = [one.similarity for one in near]
        assert [one.similarity for one in again[image]] == pytest.approx(similar, rel=1e-6)
