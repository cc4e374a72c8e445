"""What is exported is compared with the run first, and written whole or not at all."""

import shutil
from pathlib import Path

import pytest
import torch

import tlf as package
from tlf.errors import DataError, RunError, TlfError, WeightsError
from tlf.exports import export as module
from tlf.exports.preprocessing.program import Prepared
from tlf.exports.preprocessing.whole_images import WholeImages


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


def change_predictions(run):
    """Write other probabilities for the first image."""
    table = run / "predictions.csv"
    rows = table.read_text().splitlines()
    rows[1] = ",".join([*rows[1].split(",")[:3], "0.900000", "0.100000"])
    table.write_text("\n".join(rows) + "\n")


def moved(run, images, to):
    """Copy a run's images, and let the run read the copies."""
    shutil.copytree(images, to)
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(images), str(to)))
    return to


def test_images_that_changed_are_named_as_the_reason(run_copy, images, tmp_path):
    val = moved(run_copy, images, tmp_path / "images") / "val" / "circles"
    change_predictions(run_copy)
    told = r"differ from the run's predictions\.csv by up to 0\.\d+: eval images of the run have"
    shutil.copy(val / "002.jpg", val / "001.jpg")
    with pytest.raises(WeightsError, match=told):
        package.export(run_copy, "model")


def test_a_model_of_another_run_is_named_as_the_reason(run_copy, finished_bf16, images):
    shutil.copy(finished_bf16 / "model.safetensors", run_copy)
    change_predictions(run_copy)
    told = r"model\.safetensors is of another run than head\.safetensors; nothing was written"
    with pytest.raises(WeightsError, match=told):
        package.export(run_copy, "model")


def test_what_has_not_changed_is_not_named_as_the_reason(run_copy):
    change_predictions(run_copy)
    told = "the images and the weights are those of the run, so predictions.csv was changed, or"
    with pytest.raises(WeightsError, match=told):
        package.export(run_copy, "model")


def test_missing_images_and_predictions_are_named(run_copy):
    table = run_copy / "predictions.csv"
    table.write_text(table.read_text().replace("val/circles/001.jpg", "val/circles/gone.jpg"))
    with pytest.raises(DataError, match=r"^1 of the run's eval images are missing, .*gone\.jpg"):
        package.export(run_copy, "model")
    table.unlink()
    with pytest.raises(RunError, match=r"there is no .*predictions\.csv"):
        package.export(run_copy, "model")


def test_a_run_in_bf16_is_exported_whatever_16_bits_change(finished_bf16, tmp_path, monkeypatch):
    """The export is compared with the model in float32, and the difference to the run is shown."""
    monkeypatch.setattr(module, "RUN_TOLERANCE", 0.0)
    run = Path(shutil.copytree(finished_bf16, tmp_path / "run"))
    exported = package.export(run, "torch-export")
    assert exported.run_precision == "bf16"
    assert exported.difference > 1e-5  # the run's figures are not those of float32
    change_predictions(run)
    with pytest.raises(WeightsError, match=r"by up to 0\.\d+, and bf16 explains .* of it: the im"):
        package.export(run, "torch-export", overwrite=True)


def test_preprocessing_that_changes_probabilities_is_not_written(run_copy, monkeypatch):
    """In a format that cannot hold it, so that nothing is traced."""
    found = iter(torch.tensor([0.0, 1.0]) for _ in range(11))
    whole = WholeImages(
        lambda source, path: path.write_bytes(b"changed"),
        lambda source: Prepared(source.metadata.preprocessing),
        lambda path: lambda image: next(found),
    )
    monkeypatch.setattr(module, "find_whole_images", lambda to: whole)
    with pytest.raises(WeightsError, match="--with-preprocessing changes probabilities by up to"):
        package.export(run_copy, "model", with_preprocessing=True)
    assert list((run_copy / "exports").iterdir()) == []


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
