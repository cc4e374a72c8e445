"""What is given for an image: its probabilities, with a temperature, too, and what is predicted."""

import json
from dataclasses import replace

import pytest
import torch

from tlf.exports.formats import Source
from tlf.exports.preprocessing.outputs import Outputs, about, output_names
from tlf.inference.metadata import read_metadata

LOGITS = torch.tensor([[0.0, 1.0, -1.0]])
CALIBRATED = {"temperature": 2.0, "coverage": 0.9, "threshold": 0.5, "source": "eval", "images": 9}


@pytest.fixture
def metadata(finished):
    return replace(read_metadata(finished / "model.safetensors"), calibrated=CALIBRATED)


def test_one_label(metadata):
    probabilities, predicted, calibrated = Outputs(metadata)(LOGITS)
    assert torch.equal(probabilities, LOGITS[0].softmax(0))
    assert torch.equal(calibrated, (LOGITS[0] / 2).softmax(0))
    assert predicted.item() == 1
    assert output_names(metadata) == ["probabilities", "predicted", "calibrated"]


def test_several_labels_by_their_thresholds(metadata):
    thresholds = {"threshold": None, "thresholds": [0.6, 0.5, 0.2]}
    several = replace(metadata, task="multi-label", calibrated=CALIBRATED | thresholds)
    probabilities, predicted, _ = Outputs(several)(LOGITS)
    assert torch.equal(probabilities, LOGITS[0].sigmoid())
    assert predicted.tolist() == [False, True, True]


def test_a_file_without_a_temperature(metadata):
    older = replace(metadata, calibrated=None)
    assert output_names(older) == ["probabilities", "predicted"]
    assert len(Outputs(older)(LOGITS)) == 2


def test_the_metadata_say_that_the_file_prepares_images(finished, metadata):
    said = json.loads(about(Source(finished, None, metadata)))
    assert said["with_preprocessing"]
    assert said["classes"] == ["circles", "squares"]
    assert said["preprocessing"]["size"] == 32
