"""Transfer learning for images: a recipe says what, plugins say how, Accelerate says where.

Each command of the command line is a function here, too:

>>> import tlf
>>> recipe = tlf.load_recipe("recipes/resnet18_finetune.toml", ["batch_size=16"])
>>> recipe.batch_size
16

``tlf.run`` is a generator: the run advances while a program iterates over its events.

>>> for event in tlf.run(recipe):  # doctest: +SKIP
...     if isinstance(event, tlf.EpochResult):
...         print(event.phase, event.epoch, event.eval_top1)
>>> result = tlf.show(tlf.run(recipe))  # doctest: +SKIP

``import tlf`` imports neither torch nor any other large library; each function imports what it
needs when it is first used.
"""

from contextlib import suppress
from importlib import import_module
from sys import modules
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from tlf.commands import NAMES

if TYPE_CHECKING:
    from tlf.commands import *  # noqa: F403 - each public name

__version__ = "0.1.0"

__all__ = sorted([*NAMES, "__version__"])


def __getattr__(name: str) -> object:
    """Import the module of a public name when the name is first used."""
    if name not in NAMES:
        raise AttributeError(f"module 'tlf' has no attribute {name!r}")
    _import_tqdm()
    value = globals()[name] = getattr(import_module(f"tlf.{NAMES[name]}"), name)
    return value


def _import_tqdm() -> None:
    """In a notebook, import tqdm before other libraries do. It would warn there that ipywidgets
    are missing, which its bars need; tlf shows none of them.
    """
    if "IPython" in modules and "tqdm.auto" not in modules:
        with catch_warnings(), suppress(ImportError):
            simplefilter("ignore")
            import_module("tqdm.auto")


def __dir__() -> list[str]:
    """The public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
