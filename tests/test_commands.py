"""The tables of commands and public names."""

import ast
import inspect
from importlib import import_module

import tlf as package
from places import ROOT
from tlf.commands import COMMANDS, NAMES, OTHERS


def test_type_checkers_see_what_programs_see():
    tree = ast.parse((ROOT / "tlf" / "commands.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert seen == {name: f"tlf.{module}" for name, module in NAMES.items()}


def test_every_command_is_a_function():
    for command, names in COMMANDS.items():
        assert any(inspect.isfunction(getattr(package, name)) for name in names), command


def test_every_command_has_a_file_and_no_file_is_left_out():
    files = {path.stem for path in (ROOT / "tlf" / "cli" / "commands").glob("*.py")}
    assert files - {"__init__"} == {command.replace("-", "_") for command in COMMANDS}


def test_every_name_is_in_one_place_and_defined_in_its_module():
    names = [name for table in (*COMMANDS.values(), OTHERS) for name in table]
    assert sorted(names) == sorted(NAMES)
    for name, module in NAMES.items():
        assert getattr(import_module(f"tlf.{module}"), name).__module__.startswith("tlf.")
