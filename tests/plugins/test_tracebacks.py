"""Where a plugin broke, in the error."""

import sys
from types import ModuleType

import pytest

from tlf.plugins.tracebacks import place, reason

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
def test_the_innermost_line_of_the_plugin_is_told(gem, function, line):
    error = caught(getattr(gem, function))
    assert place(error, "gem.plugin") == f" (deep.py, line {line})"


def test_where_the_plugin_has_no_line_the_innermost_of_somebody_else_is_told(gem):
    assert place(caught(gem.helped), "other") == " (helping.py, line 4)"
    assert reason(caught(gem.helped)) == "OSError: lost (helping.py, line 4)"


def test_a_line_of_torch_is_not_what_is_to_be_mended(gem):
    assert place(caught(gem.inside_torch), "torch.nn") == " (deep.py, line 12)"


def test_what_nobody_raised_has_no_line():
    assert place(KeyError("x"), "gem") == ""
    assert place(caught(lambda: __import__("json").loads("{")), "gem") == ""


def test_what_has_no_file_has_no_line():
    assert place(caught(lambda: exec("1 / 0", {"__name__": "gem"})), "gem") == ""


def test_a_syntax_error_says_itself_where_it_is():
    error = caught(lambda: compile("\n1 +", "gem.py", "exec"))
    assert reason(error, "gem") == "SyntaxError: invalid syntax (gem.py, line 2)"


def test_a_reason_is_one_line(gem):
    assert reason(ValueError("a\n b")) == "ValueError: a b"
