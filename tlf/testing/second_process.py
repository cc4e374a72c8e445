"""A second process, as a second GPU has one: a component must give the same result in it.

It is a separate Python, with another hash seed and another rank. It builds the component from a
recipe and describes what the component does.
"""

import atexit
import contextlib
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
    "tlf_backbones": "backbones",
    "tlf_heads": "heads",
    "tlf_losses": "losses",
    "tlf_freeze_policies": "freeze_policies",
    "tlf_optimizers": "optimizers",
    "tlf_schedulers": "schedulers",
}
"""Component hook → the module of ``tlf.testing`` whose ``describe`` says what a component does."""


def check_second_process(component: object, hook: str) -> None:
    """Check that a component does the same in a second process.

    Raises:
        AssertionError: it does something else, or cannot be built there.
    """
    cls = type(component)
    question = {
        # Another number of threads may round differently, which is no fault of a component.
        "threads": torch.get_num_threads(),
        "path": sys.path,
        "folder": os.getcwd(),
        "module": cls.__module__,
        "name": cls.__qualname__,
        "hook": hook,
        "recipe": to_recipe(component, hook),
    }
    process = _second_process()
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the second process has no pipes")
    process.stdin.write(dumps(question) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
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
    for line in sys.stdin:
        # What a component prints must not reach the pipe of the answers.
        with contextlib.redirect_stdout(sys.stderr):
            answer = _answer(json.loads(line))
        print(dumps(answer), flush=True)  # noqa: T201 - the parent reads it


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
    except Exception as error:
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
