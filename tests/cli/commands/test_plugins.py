"""``tlf plugins`` lists plugins, what they offer, and what failed to load."""

import pytest

from installing import write_metadata

PLUGIN = """
import click
from dataclasses import dataclass
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Grain:
    def augment(self, image, size):
        return image

@hookimpl
def tlf_augmentations():
    return {"grain": Grain}

@dataclass(frozen=True)
class Grains:
    file = "grains.bin"

    def write(self, model, classes, preprocessing, path):
        path.touch()

@hookimpl
def tlf_exporters():
    return {"grains": Grains}

@hookimpl
def tlf_commands():
    return {"count": click.Command("count")}

@hookimpl
def tlf_epoch_ended(result):
    pass
"""


@pytest.fixture
def survey(tmp_path, monkeypatch, main):
    """Install plugins, name → source, and run ``tlf plugins``; return its lines."""

    def survey(**sources):
        for name, source in sources.items():
            module = f"survey_{name}_plugin"
            write_metadata(tmp_path / "site", f"tlf-{name}", "1.0", {name: module})
            (tmp_path / "site" / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path / "site")
        code, out, err = main("plugins")
        assert (code, err) == (0, "")
        return out.splitlines()

    return survey


def test_tlf_comes_first_and_the_order_of_loading_last(survey):
    lines = survey()
    assert lines[0].startswith("tlf  (tlf ")
    assert "  backbones       torchvision, timm" in lines
    assert lines[-1].startswith("A run loads tlf first, then the plugins that its recipe names")


def test_what_a_plugin_offers(survey):
    lines = survey(grains=PLUGIN)
    start = lines.index("grains  (tlf-grains 1.0)")
    assert lines[start + 1 : start + 9] == [
        "  augmentations   grains:grain",
        "  exporters       grains:grains",
        "  commands        tlf grains:count",
        "  hooks           tlf_epoch_ended",
        '  in a recipe     augment = "grains:grain" in [transforms]',
        '                  plugins = ["grains"]',
        "  options         tlf options grains:grain",
        "  export          tlf export RUN --to grains:grains",
    ]


def test_a_plugin_that_fails_to_load_is_listed_with_the_reason(survey):
    lines = survey(torn="raise RuntimeError('no licence')", whole=PLUGIN)
    start = lines.index("torn  (tlf-torn 1.0)")
    assert lines[start + 1].startswith("  failed to load: plugin 'torn' (tlf-torn 1.0): ")
    assert "RuntimeError: no licence" in lines[start + 1]
    assert lines[start + 2] == "whole  (tlf-whole 1.0)"


def test_switched_off_plugins_are_not_listed(survey, monkeypatch):
    monkeypatch.setenv("TLF_PLUGINS", "0")
    lines = survey(grains=PLUGIN)
    assert not [line for line in lines if "grains" in line]
    assert lines[-1] == "TLF_PLUGINS=0 switches all others off"
