"""A second process, as a second GPU has one: a component must give the same result in it.

It is a separate Python, with another hash seed and another rank. It builds the component from a
recipe and describes what the component does.
"""

import atexit
import importlib
import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

import torch

from tlf.runtime.strict_json import dumps
from tlf.testing.contract import from_recipe, require, to_recipe

_KINDS = {
    "tlf_datasets": "datasets",
    "tlf_augmentations": "augmentations",
    "tlf_transforms": "augmentations",
    "tlf_backbones": "backbones",
    "tlf_heads": "heads",
    "tlf_losses": "losses",
    "tlf_metrics": "evaluation.metrics",
    "tlf_freeze_policies": "freeze_policies",
    "tlf_optimizers": "optimizers",
    "tlf_schedulers": "schedulers",
}
"""Component hook → the module of ``tlf.testing`` whose ``describe`` says what a component does."""


def check_second_process(component: object, hook: str, recipe: str) -> None:
    """Check that a component, after all that was done with it here, has the options of its recipe,
    and that it does the same in a second process.

    Raises:
        AssertionError: its options changed, it does something else, or cannot be built there.
    """
    require(
        to_recipe(component, hook) == recipe,
        component,
        "changes its own options",
        "options do not change: a run is resumed and loaded with those of its recipe",
    )
    cls = type(component)
    question = {
        # Another number of threads may round differently, which is no fault of a component.
        "threads": torch.get_num_threads(),
        "path": sys.path,
        "folder": os.getcwd(),
        "module": cls.__module__,
        "name": cls.__qualname__,
        "hook": hook,
        "recipe": recipe,
    }
    answer = _asked(question)
    require(
        "error" not in answer,
        component,
        f"cannot be used in a second process: {answer.get('error')}",
        "its class is at the top of a module that can be imported, and works in every process",
    )
    require(
        answer.get("description") == describe(component, hook),
        component,
        "gives something else in a second process, which has another hash seed",
        "all processes of a run compute the same result; sort what has no order of its own",
    )


def describe(component: object, hook: str) -> str:
    """What a component does, in one string."""
    kind = importlib.import_module(f"tlf.testing.{_KINDS[hook]}")
    description: str = kind.describe(component)
    return description


def serve() -> None:
    """Answer each line of JSON with a line of JSON."""
    # What a component prints, or a library below it, must not reach the pipe of the answers.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            print(dumps(_answer(json.loads(line))), file=answers, flush=True)


def _asked(question: dict[str, Any]) -> dict[str, str]:
    process = _second_process()
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the second process has no pipes")
    process.stdin.write(dumps(question) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        _second_process.cache_clear()  # the next component gets another one
        return {"error": f"the process ended with exit code {process.wait()}"}
    answer: dict[str, str] = json.loads(line)
    return answer


def _answer(question: dict[str, Any]) -> dict[str, str]:
    torch.set_num_threads(question["threads"])
    sys.path[:] = question["path"]
    os.chdir(question["folder"])
    try:
        found: object = importlib.import_module(question["module"])
        for name in question["name"].split("."):
            found = getattr(found, name)
        if not isinstance(found, type):
            raise TypeError(f"{question['name']} is not a class")
        component = from_recipe(question["recipe"], question["hook"], found)
        return {"description": describe(component, question["hook"])}
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"}


@cache
def _second_process() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from tlf.testing.second_process import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONHASHSEED": "2",
            "RANK": "1",
            "LOCAL_RANK": "1",
            "WORLD_SIZE": "2",
        },
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait()
