"""What is exported is compared with the run first, and written whole or not at all."""

from pathlib import Path

import pytest

import tlf as package
from tlf.errors import DataError, RunError, TlfError, WeightsError
from tlf.exports import export as module


def test_what_differs_is_not_written(run_copy, monkeypatch):
    real = module.FORMATS["timm"].compute
    wrong = lambda source, path: lambda prepared: real(source, path)(prepared) * 1.5  # noqa: E731
    changed = {
        "timm": module.FORMATS["timm"].__class__(
            "timm.safetensors", module.FORMATS["timm"].write, wrong
        )
    }
    monkeypatch.setattr(module, "FORMATS", changed)
    with pytest.raises(WeightsError, match="probabilities differ from the model's in torch by up"):
        package.export(run_copy, "timm")
    assert not list((run_copy / "exports").iterdir())


def test_a_run_whose_predictions_or_images_changed_is_refused(run_copy):
    table = run_copy / "predictions.csv"
    rows = table.read_text().splitlines()
    rows[1] = ",".join([*rows[1].split(",")[:3], "0.900000", "0.100000"])
    table.write_text("\n".join(rows) + "\n")
    with pytest.raises(WeightsError, match=r"differ from the run's predictions\.csv by up to"):
        package.export(run_copy, "model")
    table.write_text(table.read_text().replace("val/circles/001.jpg", "val/circles/gone.jpg"))
    with pytest.raises(DataError, match=r"^1 of the run's eval images are missing, .*gone\.jpg"):
        package.export(run_copy, "model")
    table.unlink()
    with pytest.raises(RunError, match=r"there is no .*predictions\.csv"):
        package.export(run_copy, "model")


def test_nothing_is_replaced_without_overwrite(run_copy):
    path = Path(package.export(run_copy, "head").path)
    path.write_bytes(b"mine")
    with pytest.raises(RunError, match="exists; write --overwrite"):
        package.export(run_copy, "head")
    assert path.read_bytes() == b"mine"
    package.export(run_copy, "head", overwrite=True)
    assert path.read_bytes() == (run_copy / "head.safetensors").read_bytes()


def test_impossible_requests_are_refused(run_copy, tmp_path):
    with pytest.raises(TlfError, match="no format 'onxx'; did you mean 'onnx'"):
        package.export(run_copy, "onxx")
    with pytest.raises(TlfError, match="--int8 needs --to onnx, got --to timm"):
        package.export(run_copy, "timm", int8=True)
    with pytest.raises(RunError, match="cannot write"):
        package.export(run_copy, "head", tmp_path / "no" / "folder" / "head.safetensors")
    with pytest.raises(RunError, match="name the folder of a run"):
        package.export(tmp_path, "head")
