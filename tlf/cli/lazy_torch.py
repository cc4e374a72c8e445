"""A quick start: torch's compiler is imported when something is compiled, and not before.

torchvision imports the compiler for one function, and torch's optimizers at their first step for
another: more than a second of a short run. Until something asks for more of it than that, stand-ins
take the place of two of its modules, which know that nothing has been compiled. Another one spares
torch's older ONNX exporter, which torchvision tells about operators of detection networks, and one
torchvision's own datasets. Whatever else is asked of a stand-in is answered by the real module,
which is imported then.

This rests on what torch and torchvision import, so it is done for the versions that it was tested
with, and only by the command line. ``TLF_FAST_START=0`` switches it off.
"""

import os
import re
import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

TESTED = ("2.11", "2.14", "2.15")
"""Versions of torch with which ``tests/cli/test_lazy_torch.py`` passes."""

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
    off = "torch" in sys.modules or os.environ.get("TLF_FAST_START") == "0"
    torch = None if off else find_spec("torch")
    if torch is None or torch.submodule_search_locations is None:
        return
    root = Path(torch.submodule_search_locations[0])
    if not is_tested(_version(root)):
        return
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


def _version(torch: Path) -> str:
    """The version of the torch in a folder; asking for package metadata would take longer."""
    file = torch / "version.py"
    found = re.search(r"__version__ = '(.+)'", file.read_text()) if file.is_file() else None
    return found.group(1) if found else ""


def is_tested(torch: str) -> bool:
    """Whether a version of torch is one that the stand-ins were tested with.

    >>> is_tested("2.11.0+cu130"), is_tested("2.1.1")
    (True, False)
    """
    return ".".join(torch.split(".")[:2]) in TESTED


def _real(name: str) -> ModuleType:
    """The real module, in place of the stand-ins that belong to it."""
    for part in _PARTS if name in _PARTS else (name,):
        if isinstance(sys.modules.get(part), _StandIn):
            del sys.modules[part]
    return import_module(name)
