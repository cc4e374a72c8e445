"""An ONNX graph is loaded with the labels and the preprocessing that its metadata holds."""

import importlib.util
import json
from dataclasses import asdict

import pytest
import torch

from onnx_graph import write_graph as write
from small import needs_onnx
from tlf.data.transforms import normalize
from tlf.errors import RunError, WeightsError
from tlf.inference.onnx_file import compute_with_onnx, load_onnx
from tlf.preprocessing import Preprocessing

SMALL = Preprocessing(size=4, resize=5)
ABOUT = {"classes": ["ant", "bee", "fly"], "preprocessing": asdict(SMALL), "tlf": "0.1.0"}

pytestmark = needs_onnx


def test_it_classifies_images_as_they_are_read(tmp_path):
    path = write(tmp_path / "model.onnx", {"tlf": json.dumps(ABOUT)})
    found = load_onnx(path)
    assert (found.labels, found.preprocessing) == (("ant", "bee", "fly"), SMALL)
    pixels = torch.randint(256, (2, 3, 4, 4), dtype=torch.uint8)
    expected = normalize(pixels, SMALL).mean((2, 3))
    torch.testing.assert_close(found.logits([*pixels]), expected)
    torch.testing.assert_close(compute_with_onnx(path)(normalize(pixels, SMALL)), expected)


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({}, "has no labels and no preprocessing of tlf; name a file that tlf export --to onnx"),
        ({"tlf": "{"}, "has incomplete or unknown metadata"),
        ({"tlf": json.dumps(ABOUT | {"classes": [1]})}, "classes must be a list of names"),
        (
            {"tlf": json.dumps(ABOUT | {"preprocessing": {"size": 0}})},
            "size must be a whole number",
        ),
        (
            {"tlf": json.dumps(ABOUT | {"with_preprocessing": True})},
            "prepares images itself, so it takes whole ones; name a file that tlf export has",
        ),
        ({"tlf": json.dumps({"classes": ["ant"]})}, "has incomplete or unknown metadata"),
    ],
)
def test_a_graph_of_another_program_is_refused(tmp_path, metadata, told):
    with pytest.raises(WeightsError, match=told):
        load_onnx(write(tmp_path / "model.onnx", metadata))


def test_a_damaged_file_and_a_graph_of_another_kind_are_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(WeightsError, match="cannot be read as ONNX"):
        load_onnx(tmp_path / "model.onnx")
    other = write(tmp_path / "other.onnx", {"tlf": json.dumps(ABOUT)}, output="features")
    with pytest.raises(WeightsError, match="does not classify images"):
        load_onnx(other).logits([torch.zeros(3, 4, 4, dtype=torch.uint8)])


def test_what_is_missing_is_named_with_the_line_that_installs_it(tmp_path, monkeypatch):
    path, find = write(tmp_path / "model.onnx", {}), importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    with pytest.raises(
        RunError, match=r"^onnxruntime is not installed; write: pip install 'tlf\[o"
    ):
        load_onnx(path)
