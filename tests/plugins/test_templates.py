"""``tlf new-plugin --hook``: for every hook, a package that works and keeps its own test."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from annotations import annotated
from installing import installed
from places import ROOT
from tlf import hookspecs
from tlf.errors import PluginError
from tlf.plugins.loading import load_plugins, survey_plugins
from tlf.plugins.scaffold import write_plugin

HOOKS = [name for name in vars(hookspecs) if name.startswith("tlf_")]


@pytest.fixture
def written(tmp_path):
    """Write a plugin for a hook: its folder, and the name of its module."""

    def written(hook):
        name = "my-" + hook.removeprefix("tlf_").replace("_", "-")
        return write_plugin(name, tmp_path, hook), "tlf_" + name.replace("-", "_")

    return written


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_package(hook, written):
    folder, module = written(hook)
    tree = ast.parse((folder / f"{module}.py").read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert hook in functions
    for path in folder.rglob("*.*"):
        assert "$" not in path.read_text(), path
    ast.parse((folder / "tests" / f"test_{module}.py").read_text())


def test_a_hook_may_be_written_in_three_ways(tmp_path):
    texts = [
        (write_plugin(name, tmp_path, hook) / f"tlf_{name}.py").read_text().replace(name, "x")
        for name, hook in (("a1", "tlf_run_ended"), ("b1", "run_ended"), ("c1", "run-ended"))
    ]
    assert len({*texts}) == 1


def test_an_unknown_hook_is_an_error_with_the_list(tmp_path):
    with pytest.raises(PluginError) as caught:
        write_plugin("mine", tmp_path, "head")
    message = str(caught.value)
    assert message.startswith("there is no hook 'head'; did you mean 'heads'?")
    assert [hook for hook in HOOKS if hook.removeprefix("tlf_") not in message] == []
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize("hook", HOOKS)
def test_every_package_loads_and_passes_its_test(hook, written, monkeypatch, tmp_path):
    folder, module = written(hook)
    name = folder.name.removeprefix("tlf-")
    monkeypatch.syspath_prepend(folder / "tests")
    monkeypatch.chdir(folder)
    with installed(tmp_path, folder):
        assert any(plugin.name == name for plugin in load_plugins([name]).loaded)
        (survey,) = [one for one in survey_plugins() if one.plugin.name == name]
        assert survey.failure is None
        try:
            tests = vars(__import__(f"test_{module}"))
            for test in [function for key, function in tests.items() if key.startswith("test_")]:
                test()
        finally:
            for imported in (module, f"test_{module}"):
                sys.modules.pop(imported, None)


def tool(name):
    return str(Path(sys.executable).parent / name)


@pytest.mark.slow
def test_all_are_formatted_as_tlf_is(written, tmp_path):
    for hook in HOOKS:
        written(hook)
    ruff, style = tool("ruff"), ROOT / "pyproject.toml"
    for command in (
        [ruff, "check", "--no-cache", "--config", style, "--ignore", "D103,ANN,I001,T201,D401"],
        [ruff, "format", "--no-cache", "--check", "--config", style],
    ):
        done = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@annotated
@pytest.mark.slow
def test_all_are_typed_as_tlf_is(written):
    files = [folder / f"{module}.py" for folder, module in map(written, HOOKS)]
    command = [tool("mypy"), "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout
