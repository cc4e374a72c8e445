"""Transfer learning for pictures: a recipe says what, plugins say how, Accelerate says where.

All that the command line does is a function here:

>>> import tlf
>>> recipe = tlf.load_recipe("recipes/resnet18_finetune.toml", ["batch_size=16"])
>>> recipe.batch_size
16

``tlf.run`` is a generator: a run takes place while somebody goes through what happens in it.

>>> for event in tlf.run(recipe):  # doctest: +SKIP
...     if isinstance(event, tlf.EpochResult):
...         print(event.phase, event.epoch, event.eval_top1)
>>> result = tlf.show(tlf.run(recipe))  # doctest: +SKIP

``import tlf`` imports neither torch nor anything else that is large; each function brings along
what it needs when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlf.caching.cache import open_cache
    from tlf.classifying import TrainedClassifier
    from tlf.errors import TlfError
    from tlf.explaining import Explanation, explain
    from tlf.exporting.export import Exported, export
    from tlf.history import read_history
    from tlf.new_plugin import write_plugin
    from tlf.planning import load_recipe
    from tlf.plugins import survey_plugins
    from tlf.portable import PortableHead, load_head
    from tlf.predicting import load_classifier, predict
    from tlf.predictions import Prediction
    from tlf.recipe import Recipe
    from tlf.results import EpochResult, RunResult
    from tlf.running import resume, resume_recipe, run
    from tlf.screen import show

__version__ = "0.1.0"

__all__ = [
    "EpochResult",
    "Explanation",
    "Exported",
    "PortableHead",
    "Prediction",
    "Recipe",
    "RunResult",
    "TlfError",
    "TrainedClassifier",
    "__version__",
    "explain",
    "export",
    "load_classifier",
    "load_head",
    "load_recipe",
    "open_cache",
    "predict",
    "read_history",
    "resume",
    "resume_recipe",
    "run",
    "show",
    "survey_plugins",
    "write_plugin",
]

_HOMES = {
    "caching.cache": ("open_cache",),
    "classifying": ("TrainedClassifier",),
    "errors": ("TlfError",),
    "explaining": ("Explanation", "explain"),
    "exporting.export": ("Exported", "export"),
    "history": ("read_history",),
    "new_plugin": ("write_plugin",),
    "planning": ("load_recipe",),
    "plugins": ("survey_plugins",),
    "portable": ("PortableHead", "load_head"),
    "predicting": ("load_classifier", "predict"),
    "predictions": ("Prediction",),
    "recipe": ("Recipe",),
    "results": ("EpochResult", "RunResult"),
    "running": ("resume", "resume_recipe", "run"),
    "screen": ("show",),
}
"""Module → public names in it."""


def __getattr__(name: str) -> object:
    """Import a public name's module when the name is used first."""
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"tlf.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'tlf' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, for those who look for them."""
    return sorted({*globals(), *__all__})
