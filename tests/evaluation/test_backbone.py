"""A head's backbone is built as its file says, with the weights of another file."""

from dataclasses import replace

import pytest

from tlf.errors import RunError, WeightsError
from tlf.evaluation.backbone import load_backbone
from tlf.inference.head import load_head
from tlf.pretrained.weights import STARTER, fingerprint


def test_the_weights_of_a_run_make_the_very_backbone(finished):
    head = load_head(finished / "head.safetensors")
    backbone = load_backbone(head, finished / "model.safetensors")
    assert fingerprint(backbone.state_dict()) == head.backbone["sha256"]


def test_what_is_no_backbone_of_it_is_refused(finished, tmp_path):
    head = load_head(finished / "head.safetensors")
    with pytest.raises(WeightsError, match="the weights do not fit"):
        load_backbone(head, STARTER)
    with pytest.raises(RunError, match=r"there is no .*gone; write --backbone with a file of"):
        load_backbone(head, tmp_path / "gone")
    head.metadata = replace(head.metadata, changed_by=("lora:adapters",))
    with pytest.raises(
        RunError, match=r"changed by 'lora:adapters', .* name the folder of the run"
    ):
        load_backbone(head, finished / "model.safetensors")
