"""What an exception says, and at which line of a plugin it was raised: an error without a traceback
still leads to what is to be mended.
"""

import sys
from pathlib import Path
from traceback import walk_tb
from types import FrameType

_PASSED = {"tlf", "torch", "pluggy", *sys.stdlib_module_names}
"""Packages that a plugin is called by or calls on, and that are not what is to be mended."""


def reason(error: BaseException, module: str = "") -> str:
    """What an exception says, in one line, and where it was raised.

    >>> reason(KeyError("x"))
    "KeyError: 'x'"

    Parameters:
        error: it.
        module: the name of a module of the plugin's.
    """
    return " ".join(f"{type(error).__name__}: {error}".split()) + place(error, module)


def place(error: BaseException, module: str = "") -> str:
    """``" (file.py, line 3)"``, the innermost line of the plugin's package on the way to an error.

    Where none is, because what failed was inherited, the innermost line of somebody else's; and
    nothing where there is none either.

    >>> place(KeyError("x"))
    ''

    Parameters:
        error: it.
        module: the name of a module of the plugin's.
    """
    if isinstance(error, SyntaxError):
        return ""  # says itself where it is
    package = module.partition(".")[0]
    # What has no file, such as the ``__init__`` of a dataclass, is nobody's line.
    lines = [
        (_package(frame), frame.f_code.co_filename, number)
        for frame, number in walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith("<")
    ]
    foreign = [line for line in lines if line[0] not in _PASSED]
    own = [line for line in foreign if line[0] == package]
    if not foreign:
        return ""
    _, file, number = (own or foreign)[-1]
    return f" ({Path(file).name}, line {number})"


def _package(frame: FrameType) -> str:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0]
