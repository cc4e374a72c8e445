"""An error names the line of a plugin that raised it."""

import sys
from types import ModuleType

import pytest

from tlf.plugins.tracebacks import message, place, reason

GEM = """
import torch
from helping import help

def own():
    raise KeyError("x")

def torchs():
    torch.zeros(2) + torch.zeros(3)

def inside_torch():
    torch.nn.Linear(2, 2)(torch.zeros(3))

def helped():
    help()
"""


@pytest.fixture
def gem(tmp_path, monkeypatch):
    """A module of a plugin, and one beside it that helps, from files of their own."""

    def module(name, source):
        file = tmp_path / f"{name.rpartition('.')[2]}.py"
        file.write_text(source)
        made = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, made)
        exec(compile(source, str(file), "exec"), vars(made))
        return made

    module("helping", "\n\ndef help():\n    raise OSError('lost')\n")
    return module("gem.deep", GEM)


def caught(function):
    """What a function raises, with a traceback that begins in it."""
    with pytest.raises(Exception) as error:  # noqa: PT011 - each raises another
        function()
    found = error.value
    trace = found.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return found.with_traceback(trace)


@pytest.mark.parametrize(
    ("function", "line"), [("own", 6), ("torchs", 9), ("inside_torch", 12), ("helped", 15)]
)
def test_the_innermost_line_of_the_plugin_is_reported(gem, function, line):
    error = caught(getattr(gem, function))
    assert place(error, "gem.plugin") == f" (deep.py, line {line})"


def test_if_the_plugin_has_no_line_the_innermost_of_another_package_is_reported(gem):
    assert place(caught(gem.helped), "other") == " (helping.py, line 4)"
    assert reason(caught(gem.helped)) == "OSError: lost (helping.py, line 4)"


def test_a_line_of_torch_is_not_reported(gem):
    assert place(caught(gem.inside_torch), "torch.nn") == " (deep.py, line 12)"


def test_an_exception_without_a_traceback_has_no_line():
    assert place(KeyError("x"), "gem") == ""
    assert place(caught(lambda: __import__("json").loads("{")), "gem") == ""


def test_generated_code_has_no_line():
    assert place(caught(lambda: exec("1 / 0", {"__name__": "gem"})), "gem") == ""


def test_the_message_of_a_syntax_error_names_the_line():
    error = caught(lambda: compile("\n1 +", "gem.py", "exec"))
    assert reason(error, "gem") == "SyntaxError: invalid syntax (gem.py, line 2)"


def test_a_reason_is_one_line(gem):
    assert reason(ValueError("a\n b")) == "ValueError: a b"


def test_an_error_without_a_readable_message_is_named():
    class MuteError(Exception):
        def __str__(self):
            raise ValueError("no text")

    assert message(MuteError()) == "its message cannot be read (ValueError)"
    assert reason(MuteError()) == "MuteError: its message cannot be read (ValueError)"
