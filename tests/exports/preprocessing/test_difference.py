"""What the preprocessing in a file changes is counted, and must be small."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tlf as package
from tlf.errors import WeightsError
from tlf.exports.formats import Source
from tlf.exports.parity import read_sample
from tlf.exports.preprocessing.difference import EIGHT_BITS, FLOAT32, Difference, measure
from tlf.exports.preprocessing.program import Prepared
from tlf.exports.preprocessing.whole_images import WholeImages
from tlf.inference.metadata import read_metadata


@pytest.fixture
def source(finished):
    classifier = package.load_classifier(finished)
    return Source(finished, classifier, read_metadata(finished / "model.safetensors"))


def test_what_differs_is_counted(finished, source):
    sample = read_sample(finished, source.classifier)
    how, seen = source.metadata.preprocessing, []
    prepared, steps = Prepared(how), 2 / 255 / torch.tensor(how.std).view(-1, 1, 1)

    def brighter(image):
        seen.append(tuple(image.shape))
        return prepared(image) + steps

    def other(image):
        return torch.tensor([0.75, 0.25] if len(seen) == 1 else [0.25, 0.75])

    whole = WholeImages(lambda *_: None, lambda _: brighter, lambda _: other)
    expected = torch.tensor([[0.25, 0.75]]).expand(11, 2)
    probabilities, found = measure(whole, source, sample, Path("unread"), expected)
    assert probabilities[0].tolist() == [0.25, 0.75]
    assert 2 <= found.levels <= 3
    assert found.values > 0.99
    assert (found.largest, found.predictions) == (0.5, 1)
    assert found.mean == pytest.approx(0.5 / 11)
    assert len(seen) == 11
    assert all(40 <= side < 70 for shape in seen for side in shape[:2])
    assert {shape[2] for shape in seen} == {3}


@pytest.mark.parametrize("bound", [FLOAT32, EIGHT_BITS])
def test_what_changes_probabilities_is_refused(bound):
    small = Difference(1, 255, 0.01, largest=bound.largest / 2, mean=bound.mean / 2, predictions=0)
    small.check(bound)
    too_large = [
        replace(small, largest=2 * bound.largest),
        replace(small, mean=2 * bound.mean),
        replace(small, largest=float("nan")),
    ]
    for found in too_large:
        with pytest.raises(WeightsError, match=r"changes probabilities by up to .+; nothing was"):
            found.check(bound)
