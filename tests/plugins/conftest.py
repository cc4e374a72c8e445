"""Plugins as they are really installed: distributions with entry points on the path."""

import sys
from types import SimpleNamespace

import pytest

from installed_plugins import Plain
from installing import write_metadata
from tlf.hookspecs import hookimpl


@pytest.fixture
def one_built_in_head(monkeypatch):
    """Replace the built-in components by one head, where a test loads plugins."""
    module = SimpleNamespace(tlf_heads=hookimpl(lambda: {"plain": Plain}), Plain=Plain)
    monkeypatch.setitem(sys.modules, "fake_builtin", module)
    monkeypatch.setattr("tlf.plugins.loading.BUILT_IN", ("fake_builtin",))
    monkeypatch.delenv("TLF_PLUGINS", raising=False)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one module and one entry point."""

    def install(name, source, distribution=None, module=None):
        distribution, module = distribution or f"tlf-{name}", module or f"tlf_test_{name}"
        folder = tmp_path / distribution
        write_metadata(folder, distribution, "1.2", {name: module})
        (folder / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, module, raising=False)

    before = set(sys.modules)
    yield install
    for module in set(sys.modules) - before:
        if module.startswith("tlf_test_"):
            del sys.modules[module]
