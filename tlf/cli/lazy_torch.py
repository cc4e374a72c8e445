"""A fast start: torch's compiler is imported when something is compiled, not before.

torchvision imports the compiler for one function, and so do torch's optimizers at their first step:
more than a second of a short run. Stand-ins replace two modules of the compiler, and answer that
nothing has been compiled. A third replaces the module in which torchvision registers the operators
of detection networks with torch's older ONNX exporter; a fourth replaces torchvision's datasets.
Any other attribute of a stand-in comes from the real module, which is imported at that moment.

This depends on what torch and torchvision import. So it is done by the command line only, and only
with tested versions of torch. ``TLF_FAST_START=0`` switches it off.
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
"""A package of optimizers. Accelerate looks for it on the disk twice in every step."""


class _Nothing:
    """The class of compiled modules, of which there are none yet."""


class _StandIn(ModuleType):
    """Replaces a module: has a few of its attributes, and imports it for any other."""

    def __init__(self, name: str, attributes: dict[str, Any]) -> None:
        super().__init__(name)
        self.__dict__.update(attributes)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the real module
        if name.startswith("__"):  # imports and inspection read them from every module
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


class _SubmoduleFinder(MetaPathFinder):
    """Imports a submodule of a replaced package: first the real package, which may import it."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """The spec of a module that the real package has imported, if it has a stand-in."""
        package = name.rpartition(".")[0]
        if not isinstance(sys.modules.get(package), _StandIn):
            return None
        _real(package)
        # Left in sys.modules, it would be loaded a second time by its own spec.
        module = sys.modules.pop(name, None)
        return None if module is None else ModuleSpec(name, _LoadedModule(module))


class _LoadedModule(Loader):
    """Returns a module that has been loaded already."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Restore the module's spec; its code has run already."""
        vars(module)["__spec__"] = self.spec  # setattr fails on torch's config modules


def defer_imports() -> None:
    """Replace modules that a run rarely needs by stand-ins."""
    off = "torch" in sys.modules or os.environ.get("TLF_FAST_START") == "0"
    torch = None if off else find_spec("torch")
    if torch is None or torch.submodule_search_locations is None:
        return
    root = Path(torch.submodule_search_locations[0])
    if not is_tested(_version(root)):
        return
    stand_ins: dict[str, dict[str, Any]] = {
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
        sys.modules[_LOMO] = None  # type: ignore[assignment]  # an import then fails without a search
    for name, attributes in stand_ins.items():
        sys.modules[name] = _StandIn(name, attributes)
    sys.meta_path.insert(0, _SubmoduleFinder())


def _version(torch: Path) -> str:
    """The version of the torch in a folder; reading package metadata would take longer."""
    file = torch / "version.py"
    match = re.search(r"__version__ = '(.+)'", file.read_text()) if file.is_file() else None
    return match.group(1) if match else ""


def is_tested(torch: str) -> bool:
    """Whether the stand-ins were tested with this version of torch.

    >>> is_tested("2.11.0+cu130"), is_tested("2.1.1")
    (True, False)
    """
    return ".".join(torch.split(".")[:2]) in TESTED


def _real(name: str) -> ModuleType:
    """Import the real module, and remove the stand-ins that belong to it."""
    for part in _PARTS if name in _PARTS else (name,):
        if isinstance(sys.modules.get(part), _StandIn):
            del sys.modules[part]
    return import_module(name)
