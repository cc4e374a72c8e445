"""Green means everything is green: style, types, imports, and words held to code."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from annotations import annotated
from places import ROOT

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


@annotated
def test_types():
    check("mypy")


def test_imports_go_downwards():
    check("lint-imports")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_small(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 50, f"{node.name} is long"


def test_every_module_has_a_test():
    """``tlf/ROOM/NAME.py`` is tested by ``tests/ROOM/test_NAME.py``; a package may be tested as one
    by ``tests/ROOM/test_PACKAGE.py``, or in the root by ``tests/test_PACKAGE.py``.
    """
    lacking = []
    for path in SOURCES:
        module = path.relative_to(ROOT / "tlf")
        tests = [ROOT / "tests" / module.with_name(f"test_{module.name}")]
        if len(module.parts) > 1:
            package = module.parent
            tests.append(ROOT / "tests" / package.with_name(f"test_{package.name}.py"))
        if not path.name.startswith("__") and not any(test.is_file() for test in tests):
            lacking.append(str(module))
    assert lacking == []


def test_no_folder_holds_more_than_sixteen_modules():
    commands = ROOT / "tlf" / "cli" / "commands"  # one file for each, listed in tlf/commands.py
    modules = [path for path in SOURCES if path.name != "__init__.py" and path.parent != commands]
    folders = Counter(path.parent for path in modules)
    assert [str(folder) for folder, modules in folders.items() if modules > 16] == []


def test_no_pickle_and_no_leftovers():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        assert not any(ast.unparse(call.func) == "torch.save" for call in calls)
        passed = [ast.unparse(keyword) for call in calls for keyword in call.keywords]
        assert "weights_only=False" not in passed
        assert "TODO" not in text
        assert "raise NotImplementedError" not in text


def test_what_a_fixture_changes_ends_with_its_module():
    """Folders of tests are no Python packages. What has the scope of a package would last until the
    end of all tests: their number of threads, for example, which the last bits depend on.
    """
    scope = re.compile(r"""scope=["']package""")
    tests = (ROOT / "tests").rglob("*.py")
    assert [path for path in tests if scope.search(path.read_text(encoding="utf-8"))] == []


def test_only_the_tasks_know_what_a_task_is():
    """No other file of the engine decides on one label per image, softmax, argmax or top-1."""
    components = ROOT / "tlf" / "builtin"
    starts = ROOT / "tlf" / "plugins" / "templates"  # texts of components
    metrics = ROOT / "tlf" / "metrics"  # of predictions with one label per image
    free = {ROOT / "tlf" / "tasks", components, starts, metrics}
    for path in SOURCES:
        if free & {*path.parents}:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            word = getattr(node, "attr", getattr(node, "id", ""))
            if isinstance(node, ast.Constant) and id(node) not in documents:
                word = node.value
            asks = isinstance(word, str) and re.search(r"softmax|argmax|one_hot|top.?1\b", word)
            assert not asks, f"{path}:{node.lineno} decides on {word!r}"
