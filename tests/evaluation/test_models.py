"""A run, an ONNX graph and a head with its backbone are the same to those who classify."""

import json
import shutil
from dataclasses import asdict

import pytest
import torch

from onnx_graph import write_graph
from small import needs_onnx
from tlf.errors import RunError, WeightsError
from tlf.evaluation.models import check_there, load, needs_backbone, run_of
from tlf.exports.export import export
from tlf.preprocessing import Preprocessing


def test_a_head_with_its_backbone_gives_the_logits_of_the_run(finished):
    run = load(finished, None, None)
    image = torch.randint(256, (3, 32, 32), dtype=torch.uint8)
    expected = run.logits([image, image.flip(-1)])
    head = load(finished / "head.safetensors", None, finished / "model.safetensors")
    assert torch.equal(head.logits([image, image.flip(-1)]), expected)
    file = load(finished / "model.safetensors", None, None)
    assert torch.equal(file.logits([image, image.flip(-1)]), expected)
    for model in (head, file):
        assert (model.labels, model.preprocessing) == (run.labels, run.preprocessing)
        assert model.task == run.task


@needs_onnx
def test_a_graph_needs_no_run_and_computes_as_it_was_exported(tmp_path):
    about = {"classes": ["a", "b", "c"], "preprocessing": asdict(Preprocessing(size=4, resize=4))}
    path = write_graph(tmp_path / "model.onnx", {"tlf": json.dumps(about)})
    assert load(path, "no", None).labels == ("a", "b", "c")
    with pytest.raises(RunError, match=r"^precision must be no for an ONNX graph"):
        load(path, "bf16", None)


@needs_onnx
@pytest.mark.slow
def test_an_exported_graph_gives_the_logits_of_the_run(run_copy):
    path = run_copy / "exports" / "model.onnx"
    export(run_copy, "onnx")
    run, graph = load(run_copy, "no", None), load(path, None, None)
    assert (graph.labels, graph.preprocessing) == (run.labels, run.preprocessing)
    image = torch.randint(256, (3, 32, 32), dtype=torch.uint8)
    found, expected = graph.logits([image]), run.logits([image])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_where_no_model_is(tmp_path, finished, images):
    with pytest.raises(RunError, match=r"there is no .*gone; name the folder of a run"):
        check_there(tmp_path / "gone")
    with pytest.raises(RunError, match=r"is not the folder of a run; .* write: --data /"):
        load(images, None, None)
    with pytest.raises(RunError, match=r"a head needs its backbone, got .* write --backbone FILE"):
        load(finished / "head.safetensors", None, None)
    with pytest.raises(WeightsError, match="is not a safetensors file"):
        load(finished / "metrics.jsonl", None, finished / "model.safetensors")


def test_the_run_that_a_model_belongs_to(finished, tmp_path):
    assert run_of(finished) == finished
    assert run_of(finished / "head.safetensors") == finished
    assert run_of(finished / "exports" / "model.onnx") == finished
    shutil.copy(finished / "head.safetensors", tmp_path)
    assert run_of(tmp_path / "head.safetensors") is None
    assert needs_backbone(tmp_path / "head.safetensors")
    assert not needs_backbone(finished)
