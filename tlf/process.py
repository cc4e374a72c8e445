"""What the command line does about its own process: how it starts, keeps memory, and ends.

torch's compiler is imported when something is compiled, and not before. torchvision imports it for
one function, and torch's optimizers at their first step for another: a second and a half of a short
run. Until something asks for more of it than those few, a stand-in takes its place, which knows
that nothing has been compiled. Whatever else is asked of the stand-in is answered by the compiler
itself, which is imported then.

None of this is done to a program that uses tlf as a library.
"""

import atexit
import os
import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

_COMPILER = "torch._dynamo"
_PARTS = (_COMPILER, f"{_COMPILER}.utils")


class _Nothing:
    """What a compiled module would be an instance of."""


class _StandIn(ModuleType):
    """Answers what can be answered without the compiler."""

    def __init__(self, name: str, known: dict[str, Any]) -> None:
        super().__init__(name)
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - anything of the compiler's
        # Imports and inspection ask every module for such names; a package's path is where
        # ``import torch._dynamo.config`` goes on from.
        if name.startswith("__") and (self.__name__, name) != (_COMPILER, "__path__"):
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def defer_compiler() -> None:
    """Let ``import torch._dynamo`` cost nothing until more of it is needed."""
    if _COMPILER in sys.modules:
        return
    known: dict[str, dict[str, Any]] = {
        _COMPILER: {
            "graph_break": lambda: None,
            "disable": lambda function=None, *_, **__: function,
            "eval_frame": SimpleNamespace(OptimizedModule=_Nothing),
        },
        f"{_COMPILER}.utils": {
            "is_compile_supported": lambda device: _real(_PARTS[1]).is_compile_supported(device),
        },
    }
    for name in _PARTS:
        sys.modules[name] = _StandIn(name, known[name])


def keep_memory() -> None:
    """Let freed memory stay with the process, on Linux with glibc.

    A training step frees its large tensors and asks for as many again. By default each goes back
    to the system in between, which then has to clear every page of it anew.
    """
    from ctypes import CDLL

    if sys.platform != "linux" or not hasattr(libc := CDLL(None), "mallopt"):
        return
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, 2**31 - 1)


def leave() -> None:
    """End with success at once, after everything that asked to be told: taking torch apart module
    by module is the longer part of an ordinary end.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _real(name: str) -> ModuleType:
    """The compiler itself, in place of the stand-ins."""
    for part in _PARTS:
        if isinstance(sys.modules.get(part), _StandIn):
            del sys.modules[part]
    return import_module(name)
