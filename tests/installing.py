"""Installs plugins for a test, as an editable install would: from where their source is."""

import importlib
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def installed(site: Path, *projects: Path) -> Iterator[None]:
    """Install projects, each a folder with a pyproject.toml, until the block ends.

    ``site`` is an empty folder for what pip would write.
    """
    with pytest.MonkeyPatch.context() as patch:
        for project in projects:
            _describe(project, site)
            patch.syspath_prepend(project)
        patch.syspath_prepend(site)
        importlib.invalidate_caches()
        yield
    importlib.invalidate_caches()


def write_project(folder: Path, name: str, source: str) -> Path:
    """A project ``tlf-NAME`` of one module, ``NAME_plugin``; its folder."""
    folder.mkdir()
    module = f"{name}_plugin"
    sys.modules.pop(module, None)
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "tlf-{name}"\nversion = "1.2"\n'
        f'[project.entry-points.tlf]\n{name} = "{module}"\n'
    )
    return folder


def _describe(project: Path, site: Path) -> None:
    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    write_metadata(site, about["name"], about["version"], about["entry-points"]["tlf"])


def write_metadata(site: Path, distribution: str, version: str, plugins: Mapping[str, str]) -> None:
    """Write what pip would write of a distribution. ``plugins``: name → module."""
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    )
    lines = [f"{name} = {module}" for name, module in plugins.items()]
    (info / "entry_points.txt").write_text("\n".join(["[tlf]", *lines, ""]))
