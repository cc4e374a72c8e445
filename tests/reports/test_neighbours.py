import torch

from tlf.components import Split
from tlf.reports.neighbours import neighbours
from tlf.training.embeddings import Embeddings


def test_the_nearest_training_images_by_the_angle_of_their_embeddings():
    train = Split(("a", "b", "c"), (0, 1, 1), lambda index: bytes([index]))
    embedded = Embeddings(
        train=torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]),
        eval=torch.tensor([[0.0, 9.0], [5.0, 0.0]]),
    )
    found = neighbours(embedded, train, ("ant", "bee"), [1, 0], count=2)
    assert [*found] == [1, 0]
    assert [(one.name, one.label) for one in found[1]] == [("a", "ant"), ("c", "bee")]
    assert [one.name for one in found[0]] == ["b", "c"]
    assert found[1][0].similarity == 1.0
    assert found[0][1].read() == b"\x02"
    assert len(neighbours(embedded, train, ("ant", "bee"), [0], count=9)[0]) == 3
    assert neighbours(embedded, train, ("ant", "bee"), []) == {}
