"""Plugins as pip leaves them, and tlf in a process of its own: who disturbs whom."""

import os
import subprocess
import sys

import pytest

from places import ROOT

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{distribution}"
version = "1.2"
[project.entry-points.tlf]
{name} = "{module}"
[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]
"""
START = """
from dataclasses import dataclass
from tlf.hookspecs import hookimpl
"""
AUGMENT = (
    START
    + """
@dataclass(frozen=True)
class Grain:
    at: int = 0
    def augment(self, image, size):
        raise LookupError(f"no grain for {size} pixels")

@dataclass(frozen=True)
class Blend:
    def mix(self, images, targets):
        raise LookupError("no partner")

@hookimpl
def tlf_augmentations():
    return {"grain": Grain, "blend": Blend}
"""
)
EMPTY = START + "@hookimpl\ndef {}:\n    return {{}}\n"
PLUGINS = {
    "tlf-film": ("film", "film_plugin", AUGMENT),
    "tlf-boom": ("boom", "boom_plugin", "raise RuntimeError('boom')"),
    "tlf-exit": ("exit", "exit_plugin", "raise SystemExit(0)"),
    "tlf-typo": ("typo", "typo_plugin", EMPTY.format("tlf_hedas()")),
    "tlf-given": ("given", "given_plugin", EMPTY.format("tlf_epoch_ended(result=None)")),
    "tlf-twin-a": ("twin", "twin_a_plugin", EMPTY.format("tlf_heads()")),
    "tlf-twin-b": ("twin", "twin_b_plugin", EMPTY.format("tlf_heads()")),
    "tlf-double": (
        "double", "double_plugin",
        AUGMENT.replace('"blend": Blend', '"rough": Grain'),
    ),
}  # fmt: skip
"""Distribution → the plugin's name, its module and its source."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that pip has installed all of them into."""
    root, target = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("site")
    for distribution, (name, module, source) in PLUGINS.items():
        folder = root / distribution
        folder.mkdir()
        project = PROJECT.format(distribution=distribution, name=name, module=module)
        (folder / "pyproject.toml").write_text(project)
        (folder / f"{module}.py").write_text(source)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    pip += ["--no-index", "--disable-pip-version-check", "--target", str(target)]
    done = subprocess.run(
        [*pip, *map(str, root.iterdir())], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def start(site):
    def start(*arguments, **more):
        path = os.pathsep.join([str(site), str(ROOT)])
        command = [sys.executable, "-m", "tlf", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": path, **more}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return start


def test_the_list_shows_each_and_why_it_failed(start):
    done = start("plugins", COLUMNS="300")
    assert done.returncode == 0, done.stderr
    shown = done.stdout.split("\n")
    titles = [line for line in shown if "(" in line and not line.startswith(" ")]
    names = sorted(f"{name}  ({dist} 1.2)" for dist, (name, *_) in PLUGINS.items())
    assert titles[0].startswith("tlf  (tlf ")
    assert sorted(titles[1:]) == names
    assert [title.split()[0] for title in titles[1:]] == sorted(n.split()[0] for n in names)
    reported = {title: shown[shown.index(title) + 1].strip() for title in titles[1:]}
    assert reported["film  (tlf-film 1.2)"] == "augmentations   film:grain, film:blend"
    expected = {
        "boom": "cannot be imported: RuntimeError: boom (boom_plugin.py, line 1)",
        "exit": "cannot be imported: SystemExit: 0",
        "typo": "there is no hook 'tlf_hedas'; did you mean 'tlf_heads'?",
        "given": "tlf_epoch_ended gives 'result' a default; remove it",
        "double": "'double:rough', whose class Grain is 'double:grain' of tlf-double 1.2 already",
    }
    for name, reason in expected.items():
        line = reported[f"{name}  (tlf-{name} 1.2)"]
        assert line.startswith(f"failed to load: plugin '{name}' (tlf-{name} 1.2): ")
        assert reason in line
    for twin in ("twin  (tlf-twin-a 1.2)", "twin  (tlf-twin-b 1.2)"):
        assert "tlf-twin-a 1.2" in reported[twin]
        assert "uninstall all but one" in reported[twin]
    assert "A run loads tlf first" in done.stdout


def test_they_are_switched_off(start):
    done = start("plugins", TLF_PLUGINS="0")
    assert done.returncode == 0
    assert "film" not in done.stdout
    assert "TLF_PLUGINS=0 switches all others off" in done.stdout


def test_a_run_that_names_none_of_them_is_not_disturbed(start, recipe, tmp_path):
    done = start(recipe, "phases.1.epochs=1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert "boom" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ("phases.0.freeze=boom:x", "plugin 'boom' (tlf-boom 1.2): cannot be imported: RuntimeErr"),
        ("plugins=['given']", "plugin 'given' (tlf-given 1.2): tlf_epoch_ended gives 'result' a"),
        pytest.param(
            "transforms.augment=film:grain",
            "'film:grain' (tlf-film 1.2) failed in augment: LookupError: no grain for 32 pixels "
            "(film_plugin.py, line 9)",
            marks=pytest.mark.slow,
        ),
        (
            "transforms.augment=film:blend",
            "'film:blend' (tlf-film 1.2) failed in mix: LookupError: no partner "
            "(film_plugin.py, line 14)",
        ),
    ],
)
def test_a_run_that_names_one_reports_the_plugin_at_fault(start, recipe, change, reported):
    done = start(recipe, change)
    assert done.returncode == 2
    assert f"error: {reported}" in done.stderr
    assert "Traceback" not in done.stderr


def test_switched_off_in_a_run(start, recipe):
    done = start(recipe, "transforms.augment=film:grain", TLF_PLUGINS="0")
    assert done.returncode == 2
    assert "'film' is needed, but TLF_PLUGINS=0 switches plugins off; unset it" in done.stderr
