"""An exception's message, and the line of a plugin that raised it: an error without a traceback
still shows what to fix.
"""

import inspect
import sys
from pathlib import Path
from traceback import walk_tb
from types import FrameType

_PASSED = {"tlf", "torch", "pluggy", *sys.stdlib_module_names}
"""Packages that call a plugin or that it calls: the bug is hardly there."""


def reason(error: BaseException, module: str = "") -> str:
    """An exception's type and message, in one line, and where it was raised.

    >>> reason(KeyError("x"))
    "KeyError: 'x'"

    Parameters:
        error: the exception.
        module: the name of one of the plugin's modules.
    """
    return " ".join(f"{type(error).__name__}: {message(error)}".split()) + place(error, module)


def message(error: BaseException) -> str:
    """An exception's message. A plugin's own exception may fail to give one: then why it failed."""
    try:
        return str(error)
    except Exception as fault:
        return f"its message cannot be read ({type(fault).__name__})"


def place(error: BaseException, module: str = "") -> str:
    """``" (file.py, line 3)"``: the innermost line of the plugin's package in a traceback.

    If there is none, because inherited code failed, the innermost line of another package; if there
    is none either, nothing.

    >>> place(KeyError("x"))
    ''

    Parameters:
        error: the exception.
        module: the name of one of the plugin's modules.
    """
    if isinstance(error, SyntaxError):
        return ""  # its message names the line
    package = module.partition(".")[0]
    foreign = [line for line in _lines(error) if line[0] not in _PASSED]
    own = [line for line in foreign if line[0] == package]
    if not foreign:
        return ""
    _, file, number = (own or foreign)[-1]
    return f" ({Path(file).name}, line {number})"


def packages(error: BaseException) -> tuple[str, ...]:
    """The packages of third parties in a traceback, the innermost first."""
    return tuple(line[0] for line in reversed(_lines(error)) if line[0] not in _PASSED)


def definition(function: object) -> str:
    """``" (file.py, line 3)"``: where a function of a plugin is written; nothing if it is unknown.

    It is what there is to name when a function returns something wrong: nothing was raised in it.
    """
    if not callable(function):
        return ""
    called = inspect.unwrap(function)
    code = getattr(called, "__code__", None) or getattr(type(called).__call__, "__code__", None)
    return f" ({Path(code.co_filename).name}, line {code.co_firstlineno})" if code else ""


def _lines(error: BaseException) -> list[tuple[str, str, int]]:
    """Package, file and number of every line in a traceback, from the outside in."""
    # Generated code, such as the ``__init__`` of a dataclass, has no file.
    return [
        (_package(frame), frame.f_code.co_filename, number)
        for frame, number in walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith("<")
    ]


def _package(frame: FrameType) -> str:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0]
