"""Panels of plugins: the recipe's plugins are asked, and one that fails takes nothing else away."""

import sys
from types import SimpleNamespace

import pytest

from installing import write_metadata
from tlf.reports.panel import Panel
from tlf.reports.plugin_panels import checked_panels, plugin_panels

HEADER = """
from dataclasses import dataclass, field
from tlf.hookspecs import hookimpl
from tlf.reports.panel import Panel
"""
MODULE = """
@hookimpl
def tlf_report_panels(report):
    return [Panel("size", "Size", f"<p id='n'>{report.images} images</p>")]
"""
EXTENSION = """
@dataclass(frozen=True)
class Said:
    text: str = "nothing"
    state: dict = field(default_factory=dict, init=False)

    @hookimpl
    def tlf_report_panels(self, report):
        return [Panel("said", "Said", f"<p>{self.text}</p>")]


@hookimpl
def tlf_extensions():
    return {"said": Said}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a plugin with one module."""
    monkeypatch.delenv("TLF_PLUGINS", raising=False)

    def install(name, source):
        folder = tmp_path / name
        write_metadata(folder, f"tlf-{name}", "1.2", {name: f"tlf_panels_{name}"})
        (folder / f"tlf_panels_{name}.py").write_text(HEADER + source)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, f"tlf_panels_{name}", raising=False)

    return install


def shown(recipe):
    return plugin_panels(SimpleNamespace(images=3, run=SimpleNamespace(recipe=recipe)))


def test_a_plugin_that_the_recipe_names_adds_its_panel(install):
    install("sizes", MODULE)
    install("unnamed", MODULE)
    found = shown('plugins = ["sizes"]')
    html = '<p id="plugin-sizes-size-n">3 images</p>'
    assert found.panels == (Panel("plugin-sizes-size", "Size", html),)
    assert found.missing == ()
    assert shown("seed = 0").panels == ()
    assert plugin_panels(SimpleNamespace(run=None)).panels == ()


def test_an_extension_has_the_options_of_the_recipe(install):
    install("voice", MODULE + EXTENSION)
    found = shown('extensions = [{ kind = "voice:said", text = "hello" }]')
    assert [panel.id for panel in found.panels] == ["plugin-voice-said", "plugin-voice-size"]
    assert found.panels[0].html == "<p>hello</p>"
    wrong = shown('extensions = [{ kind = "voice:said", txt = "hello" }]')
    assert "unknown option" in wrong.missing[0]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            "    return 1 / 0",
            "plugin 'bad' (tlf-bad 1.2) failed in tlf_report_panels: ZeroDivision",
        ),
        ("    return 5", "plugin 'bad' (tlf-bad 1.2): tlf_report_panels: the result must be a"),
        ("    return [Panel('a', 'A', '<script>')]", "panel 'a': <script> is not allowed"),
    ],
)
def test_a_plugin_that_breaks_is_named_and_the_others_are_shown(install, body, why):
    install("sizes", MODULE)
    install("bad", f"@hookimpl\ndef tlf_report_panels(report):\n{body}\n")
    found = shown('plugins = ["bad", "sizes", "gone"]')
    assert [panel.id for panel in found.panels] == ["plugin-sizes-size"]
    broken, gone = found.missing
    assert broken.startswith("What a plugin adds to this page is not shown: ")
    assert why in broken
    assert gone == (
        "What a plugin adds to this page is not shown: plugin 'gone', which the recipe names, is "
        "not installed."
    )


def test_a_damaged_recipe_is_said():
    assert "recipe.toml is no TOML" in shown("plugins = [").missing[0]


def test_two_panels_of_a_plugin_never_share_an_id():
    first, second = (Panel(name, "A", "<p id='x'>y</p>") for name in ("a", "b"))
    ids = [panel.html.split('"')[1] for panel in checked_panels([first, second], "My.plug")]
    assert ids == ["plugin-my-plug-a-x", "plugin-my-plug-b-x"]
