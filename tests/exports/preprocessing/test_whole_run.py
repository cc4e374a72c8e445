"""Runs whose preprocessing is exported with them: what app writers get."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tlf as package
from places import ROOT
from prepared_images import image
from shapes import INKS, draw_shapes, shapes_recipe
from small import needs_onnx
from tlf.runs.run import run

pytestmark = [pytest.mark.slow, needs_onnx]

SIDES = [(1, 1), (1, 150), (90, 1), (47, 31), (40, 61), (1500, 2000)]


def session_of(path):
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def check_sizes(run, classify):
    """A file gives what ``tlf predict`` gives, for images of any size."""
    classifier = package.load_classifier(run)
    for height, width in SIDES:
        pixels = image(classifier.preprocessing, height, width)
        given = pixels if pixels.shape[2] > 1 else pixels[..., 0]
        expected = [*classifier.predict(given).probabilities.values()]
        assert classify(pixels) == pytest.approx(expected, abs=2e-3), (height, width)


def test_onnx(run_copy):
    exported = package.export(run_copy, "onnx", with_preprocessing=True)
    assert Path(exported.path).name == "model.preprocessing.onnx"
    assert exported.preprocessing.levels <= 1
    assert exported.preprocessing.largest < 1e-3
    assert exported.preprocessing.predictions == 0
    session = session_of(exported.path)
    (taken,), given = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type) == ("image", "tensor(uint8)")
    assert taken.shape == ["height", "width", 3]
    assert [(one.name, one.shape) for one in given] == [
        ("probabilities", [2]), ("predicted", []), ("calibrated", [2]),
    ]  # fmt: skip
    about = json.loads(session.get_modelmeta().custom_metadata_map["tlf"])
    assert (about["classes"], about["with_preprocessing"]) == (["circles", "squares"], True)
    check_sizes(run_copy, lambda pixels: session.run(None, {"image": pixels})[0].tolist())
    assert [path.name for path in (run_copy / "exports").iterdir()] == ["model.preprocessing.onnx"]


def test_the_lines_of_the_document_run(run_copy, images, tmp_path, monkeypatch, capsys):
    document = (ROOT / "tlf" / "exports" / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    package.export(run_copy, "onnx", tmp_path / "model.preprocessing.onnx", with_preprocessing=True)
    path = next((images / "val" / "circles").iterdir())
    shutil.copy(path, tmp_path / "image.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "tlf/exports/README.md", "exec"), {})
    label, probability = capsys.readouterr().out.split()
    expected = package.load_classifier(run_copy).predict(path)
    assert label == expected.label
    assert float(probability) == pytest.approx(expected.probability, abs=1e-3)


def test_onnx_in_8_bits(run_copy):
    exported = package.export(run_copy, "onnx", int8=True, margin=1.0, with_preprocessing=True)
    assert Path(exported.path).name == "model.int8.preprocessing.onnx"
    assert exported.preprocessing.levels <= 1
    probabilities, *_ = session_of(exported.path).run(None, {"image": np.zeros((9, 5, 3), "uint8")})
    assert probabilities.sum() == pytest.approx(1)


def test_a_program(run_copy):
    exported = package.export(run_copy, "torch-export", with_preprocessing=True)
    assert Path(exported.path).name == "model.preprocessing.pt2"
    extra = {"tlf.json": ""}
    program = torch.export.load(exported.path, extra_files=extra).module()
    assert json.loads(extra["tlf.json"])["with_preprocessing"]
    check_sizes(run_copy, lambda pixels: program(torch.from_numpy(pixels))[0].tolist())


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("to", ["onnx", "torch-export"])
def test_several_labels_of_grey_images(tmp_path, depth, to):
    table = draw_shapes(tmp_path, 24, 9)
    backbone = {"kind": "timm", "model": "test_resnet.r160_in1k", "weights": "none", "channels": 1}
    changes = {"backbone": backbone, "transforms": {"size": 32, "resize": 36, "depth": depth}}
    *_, result = run(shapes_recipe(tmp_path / "recipe.toml", table, changes))
    exported = package.export(result.folder, to, with_preprocessing=True)
    classifier = package.load_classifier(result.folder)
    for path in sorted(tmp_path.glob("val*.png"))[:3]:
        grey = np.array(Image.open(path).convert("L"))[..., None]
        pixels = grey.astype(np.uint16) * 257 if depth == 16 else grey
        expected = classifier.predict(path)
        if to == "onnx":
            names = ["probabilities", "predicted"]
            found, predicted = session_of(exported.path).run(names, {"image": pixels})
        else:
            program = torch.export.load(exported.path).module()
            found, predicted, _ = program(torch.from_numpy(pixels))
        assert found.tolist() == pytest.approx([*expected.probabilities.values()], abs=2e-3)
        assert {name for name, is_it in zip(sorted(INKS), predicted, strict=True) if is_it} == {
            *expected.labels
        }


def test_what_it_cannot_hold_is_refused_before_anything_is_written(finished, tmp_path, main):
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    code, out, err = main("export", folder, "--to", "head", "--with-preprocessing")
    assert (code, out) == (2, "")
    assert "needs --to onnx or torch-export, got --to head" in err
    assert not (folder / "exports").exists()
