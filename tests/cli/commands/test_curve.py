"""``tlf curve``."""

import json

import pytest

from tlf.cli.commands import curve as module

SMALL = (
    "backbone={kind='timm', model='test_resnet', weights='none'}",
    "transforms.size=32", "transforms.resize=36",
)  # fmt: skip


def test_a_table_a_page_and_the_figures(images, main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = main("curve", images, *SMALL, "--sizes", "2", "4", "8")
    assert (status, err) == (0, "")
    assert "no forecast: a fan of power laws needs four sizes" in out
    assert f"page      curves/{images.name}/curve.html" in out
    found = json.loads((tmp_path / "curves" / images.name / "curve.json").read_text())
    assert [one["images"] for one in found["sizes"]] == [4, 8, 16]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("10", "20"), "write --sizes before numbers of images"),
        (("--sizes", "40", "20"), "must rise, got 40 20; write --sizes 20 40"),
        (("--sizes", "few", "20"), "must be whole numbers, got 'few'"),
        (("--sizes", "10", "9" * 5000), "must be whole numbers, got '999"),
        (("data.rot=x",), "data.rot: unknown"),
        (("data.root=gone",), "gone"),
    ],
)
def test_mistakes_are_told_before_anything_is_computed(
    images, main, tmp_path, monkeypatch, arguments, problem
):
    monkeypatch.chdir(tmp_path)
    status, _, err = main("curve", images, *arguments)
    assert status == 2
    assert problem in err
    assert [*tmp_path.iterdir()] == []


def test_ctrl_c_says_how_to_go_on(images, main, monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.tlf, "curve", interrupted)
    status, _, err = main("curve", images, "--output", tmp_path / "x")
    assert status == 130
    assert err.startswith("stopped by Ctrl-C; features that are computed are stored: write the")
    assert not (tmp_path / "x").exists()
