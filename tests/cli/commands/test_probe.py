"""``tlf probe``."""

import json
import tomllib

import pytest

from tlf.cli.commands import probe as module
from tlf.studies.probe import probing

TINY = "timm/test_resnet@none"
SMALL = ("transforms.size=32", "transforms.resize=36")


def test_a_table_a_page_and_the_figures(images, main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(probing, "REPEATS", 1)
    status, out, err = main("probe", images, "--backbones", TINY, "torchvision/resnet19", *SMALL)
    assert (status, err) == (1, "")
    assert "note: torchvision/resnet19 was not probed: " in out
    assert "   timm/test_resnet@none\n" in out
    assert f"page      probes/{images.name}/probe.html" in out
    lines = out.partition(f"to use {TINY}, write in a recipe:\n")[2].partition("\nor let tlf")[0]
    table = tomllib.loads(lines)["backbone"]
    command = f"tlf init {images} --backbone {TINY} --output NEW.toml"
    assert out.endswith(f"\nor let tlf write one: {command}\n")
    found = json.loads((tmp_path / "probes" / images.name / "probe.json").read_text())
    (one,) = found["backbones"]
    assert one["name"] == TINY
    assert table == {"kind": "timm", "model": "test_resnet", "weights": "none"}  # no defaults
    assert table.items() <= one["backbone"].items()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((TINY,), "write --backbones before names of backbones"),
        (("--backbones", TINY, TINY), "must name different backbones"),
        (("--backbones", "keras/x"), "keras"),
        (("--backbones", TINY, "data.rot=x"), "data.rot: unknown"),
        (("--backbones", TINY, "data.root=gone"), "gone"),
    ],
)
def test_mistakes_are_told_before_anything_is_computed(
    images, main, tmp_path, monkeypatch, arguments, problem
):
    monkeypatch.chdir(tmp_path)
    status, _, err = main("probe", images, *arguments)
    assert status == 2
    assert problem in err
    assert [*tmp_path.iterdir()] == []


def test_neither_recipe_nor_folder(main, run_copy, tmp_path):
    assert "neither a recipe nor a folder" in main("probe", tmp_path / "gone")[2]
    assert f"tlf probe {run_copy / 'recipe.toml'}" in main("probe", run_copy)[2]


def test_ctrl_c_says_how_to_go_on(images, main, monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.tlf, "probe", interrupted)
    status, _, err = main("probe", images, "--output", tmp_path / "x")
    assert status == 130
    assert err == (
        "stopped by Ctrl-C; what is computed is stored: write the same command to go on\n"
    )
    assert not (tmp_path / "x").exists()
