"""Green means everything is green: style, types, imports, and words held to code."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "tlf").rglob("*.py"))
BIN = Path(sys.executable).parent


def check(*command):
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_style():
    check("ruff", "check", ".")
    check("ruff", "format", "--check", ".")


def test_types():
    check("mypy")


def test_imports_go_downwards():
    check("lint-imports")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_small(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 50, f"{node.name} is long"


def test_every_module_has_a_test():
    tests = {path.name for path in (ROOT / "tests").glob("test_*.py")}
    packages = {"starter": {"test_starter.py", "test_formula.py"}, "validation": {"test_recipe.py"},
                "learning": {"test_trainer.py"}, "resuming": {"test_resuming.py"},
                "exporting": {"test_export.py"}, "heads": {"test_heads.py"},
                "modules": {"test_heads.py"}, "caching": {"test_cache.py"}, "hub": {"test_hub.py"},
                "testing": {"test_testing.py"}}  # fmt: skip
    elsewhere = {
        "components": "test_plugins.py", "hookspecs": "test_plugins.py", "model": "test_freeze.py",
        "results": "test_selection.py", "errors": "test_bad_input.py", "cores": "test_devices.py",
        "job": "test_running.py", "offering": "test_plugins.py", "blaming": "test_plugins.py",
        "installed": "test_plugins.py", "registering": "test_plugins.py",
        "card": "test_checkpoint.py", "sealing": "test_sealed.py",
        "attaching": "test_portable.py", "plugin_heads": "test_portable.py",
        "predictions": "test_predicting.py", "provenance": "test_running.py",
        "preprocessing": "test_pictures.py", "opening": "test_pictures.py",
        "unfilled": "test_weights.py", "stored_pixels": "test_pixels.py",
        "cutting": "test_cut.py",
        "run_folder": "test_running.py", "history": "test_resuming.py",
        "survey": "test_cli.py", "epochs": "test_screen.py",
    }  # fmt: skip
    for path in SOURCES:
        if path.name.startswith("__") or path.name == "pack.py":
            continue
        own = {f"test_{path.stem}.py"} | packages.get(path.parent.name, set())
        own |= {elsewhere.get(path.stem, "")}
        assert own & tests, f"{path.name} has no test file"


def test_no_pickle_and_no_leftovers():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "torch.save(" not in text
        assert "weights_only=False" not in text
        assert "TODO" not in text
        assert "raise NotImplementedError" not in text


def test_every_hook_says_what_it_is_for():
    from tlf import hookspecs

    hooks = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("tlf_")}
    for name, hook in hooks.items():
        assert hook.__doc__, name
        arguments = hook.__code__.co_varnames[: hook.__code__.co_argcount]
        for argument in arguments:
            assert f"{argument}: " in hook.__doc__, f"{name} does not explain {argument}"


def test_the_readme_names_the_commands_that_there_are():
    from tlf.cli import cli

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in set(cli.commands) - {"run"}:
        assert f"`tlf {name}" in readme, name
    recipes = sorted(path.name for path in (ROOT / "recipes").glob("*.toml"))
    assert [name for name in recipes if f"`{name}`" not in readme] == []
