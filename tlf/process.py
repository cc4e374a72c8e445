"""What the command line does about its own process: how it starts, keeps memory, and ends.

torch's compiler is imported when something is compiled, and not before. torchvision imports it for
one function, and torch's optimizers at their first step for another: more than a second of a short
run. Until something asks for more of it than that, stand-ins take the place of two of its modules,
which know that nothing has been compiled. Another one spares torch's older ONNX exporter, which
torchvision tells about operators of detection networks, and one torchvision's own datasets.
Whatever else is asked of a stand-in is
answered by the real module, which is imported then.

None of this is done to a program that uses tlf as a library.
"""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

_COMPILER = "torch._dynamo"
_PARTS = (_COMPILER, f"{_COMPILER}.utils")
_ONNX = "torchvision.ops._register_onnx_ops"
_DATASETS = "torchvision.datasets"
_LOMO = "lomo_optim"
"""An optimizer's package, for which Accelerate looks on the disk twice in every update."""


class _Nothing:
    """What a compiled module would be an instance of."""


class _StandIn(ModuleType):
    """Answers what can be answered without the real module."""

    def __init__(self, name: str, known: dict[str, Any]) -> None:
        super().__init__(name)
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - anything of the real module's
        if name.startswith("__"):  # imports and inspection ask every module for such names
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


class _Inside(MetaPathFinder):
    """Imports what is inside a deferred package: the real package first, which may import it."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Where to find a module, if its package has a stand-in and brings it along."""
        package = name.rpartition(".")[0]
        if not isinstance(sys.modules.get(package), _StandIn):
            return None
        _real(package)
        # Found among the modules, it would be loaded once more by its own spec.
        module = sys.modules.pop(name, None)
        return None if module is None else ModuleSpec(name, _Loaded(module))


class _Loaded(Loader):
    """Gives a module that was loaded while somebody looked for it."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """It has run already."""
        vars(module)["__spec__"] = self.spec  # torch's modules of settings refuse to be written to


def defer_imports() -> None:
    """Let torch's compiler cost nothing until more of it is needed."""
    torch = None if "torch" in sys.modules else find_spec("torch")
    if torch is None or torch.submodule_search_locations is None:
        return
    root = Path(torch.submodule_search_locations[0])
    known: dict[str, dict[str, Any]] = {
        _COMPILER: {
            "graph_break": lambda: None,
            "disable": lambda function=None, *_, **__: function,
            "eval_frame": SimpleNamespace(OptimizedModule=_Nothing),
            "__path__": [str(root / "_dynamo")],
        },
        f"{_COMPILER}.utils": {
            "is_compile_supported": lambda device: _real(_PARTS[1]).is_compile_supported(device),
        },
        _ONNX: {"_register_custom_op": lambda: None},
        _DATASETS: {"__path__": []},
    }
    if find_spec(_LOMO) is None:
        sys.modules[_LOMO] = None  # type: ignore[assignment]  # Python's word for: there is none
    for name, answers in known.items():
        sys.modules[name] = _StandIn(name, answers)
    sys.meta_path.insert(0, _Inside())


def keep_memory(*, large: bool = True) -> None:
    """Let freed memory stay with the process, on Linux with glibc; ``large`` blocks above 16 MiB,
    too.

    A batch takes large tensors and frees them, and the next one asks for as many again. By default
    each goes back to the system in between, which then has to clear every page of it anew.
    """
    from ctypes import CDLL

    if sys.platform != "linux" or not hasattr(libc := CDLL(None), "mallopt"):
        return
    trim_threshold, mmap_threshold, mmap_max = -1, -3, -4  # of glibc's malloc.h
    libc.mallopt(trim_threshold, 2**31 - 1)
    libc.mallopt(mmap_threshold, 16 * 2**20)
    libc.mallopt(mmap_max, 0 if large else 2**16)


@contextmanager
def importing() -> Iterator[None]:
    """Let Ctrl-C end the process on the spot: numpy and torch do not survive it half imported."""

    def quit_at_once(*_: object) -> None:
        os.write(2, b"\ninterrupted\n")
        os._exit(130)

    before = signal.signal(signal.SIGINT, quit_at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave(status: int) -> None:
    """End at once, after everything that asked to be told: taking torch apart module by module is
    the longer part of an ordinary end. Libraries count what they leak meanwhile, on stderr, and
    threads of gloo's that are left can turn any exit code into SIGABRT (pytorch/pytorch#179291).
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def collect_rarely() -> None:
    """Let the garbage collector wait for a hundred thousand new objects instead of some hundreds:
    while torch is imported they are many, and none of them garbage.
    """
    gc.set_threshold(100_000)


def settle() -> None:
    """Spare the garbage collector what was imported: it stays until the end."""
    gc.freeze()


def _real(name: str) -> ModuleType:
    """The real module, in place of the stand-ins that belong to it."""
    for part in _PARTS if name in _PARTS else (name,):
        if isinstance(sys.modules.get(part), _StandIn):
            del sys.modules[part]
    return import_module(name)
