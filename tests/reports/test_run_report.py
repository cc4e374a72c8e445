import re

import pytest

import tlf
from tlf.errors import RunError, UnwritableError
from tlf.inference.head import load_head


def test_the_report_of_a_run(run_copy):
    path = tlf.write_report(run_copy, neighbours=False)
    assert path == run_copy / "report.html"
    html = path.read_text(encoding="utf-8")
    for text in ("<h1><bdi>run</bdi></h1>", "11 images, 2 classes", "val/circles/odd.jpg"):
        assert text in html
    assert "data:image/jpeg" in html
    assert "adds them: tlf report " in html
    panels = re.findall(r'<section id="([\w-]+)"', html)
    assert panels == [
        "verdict", "what-trained", "curves", "classes", "confusion", "images", "calibration",
        "provenance",
    ]  # fmt: skip
    calibrated = load_head(run_copy / "head.safetensors").calibrated
    assert f"The temperature is {calibrated.temperature:.3f}" in html


def test_a_damaged_head_hides_the_temperature_only(run_copy):
    (run_copy / "head.safetensors").write_bytes(b"damaged")
    html = tlf.write_report(run_copy, images=False, neighbours=False).read_text(encoding="utf-8")
    assert "Temperature scaling is not shown: " in html
    assert "The temperature is" not in html


def test_without_images_the_page_has_names_only(finished, tmp_path):
    path = tmp_path / "private.html"
    assert tlf.write_report(finished, output=path, images=False, neighbours=False) == path
    html = path.read_text(encoding="utf-8")
    assert "<img" not in html
    assert "val/circles/odd.jpg" in html


def test_a_run_without_predictions(run_copy, tmp_path):
    (run_copy / "predictions.csv").unlink()
    with pytest.raises(RunError, match=r"predictions.csv is gone; .*, write: tlf evaluate"):
        tlf.write_report(run_copy)
    (run_copy / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"has no predictions.csv yet; wait for its end, or write"):
        tlf.write_report(run_copy)
    with pytest.raises(RunError, match="is not the folder of a run"):
        tlf.write_report(tmp_path)


def test_a_page_that_cannot_be_written(finished, tmp_path):
    with pytest.raises(UnwritableError, match="cannot write"):
        tlf.write_report(finished, output=tmp_path / "no" / "page.html", neighbours=False)
    kept = tmp_path / "recipe.toml"
    kept.write_text("seed = 1")
    with pytest.raises(UnwritableError, match=r"a page must end in .html, got .*/recipe.toml; wri"):
        tlf.write_report(finished, output=kept, neighbours=False)
    assert kept.read_text() == "seed = 1"
