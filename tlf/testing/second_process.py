"""A second process, as every further GPU has one: it has to come to the same result.

It is a Python of its own, with strings hashed otherwise and another rank. It gets the component as
a recipe and tells what it made of it.
"""

import atexit
import contextlib
import importlib
import json
import os
import subprocess
import sys
from functools import cache

from tlf.testing.contract import hold, recipe_component, written

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
"""Component hook → the module of ``tlf.testing`` whose ``told`` says what a component does."""


def check_second_process(component: object, hook: str) -> None:
    """Check that a second process makes the same of a component.

    Raises:
        AssertionError: it makes something else, or cannot make the component.
    """
    cls = type(component)
    question = {
        "path": sys.path,
        "folder": os.getcwd(),
        "module": cls.__module__,
        "name": cls.__qualname__,
        "hook": hook,
        "recipe": written(component, hook),
    }
    process = _second_process()
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the second process has no pipes")
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    hold(
        "error" not in answer,
        component,
        f"cannot be used in a second process: {answer.get('error')}",
        "its class is at the top of a module that can be imported, and works in every process",
    )
    hold(
        answer.get("told") == told(component, hook),
        component,
        "gives something else in a second process, where strings are hashed otherwise",
        "all processes of a run come to the same result; sort what has no order of its own",
    )


def told(component: object, hook: str) -> str:
    """What a component does, in one string."""
    kind = importlib.import_module(f"tlf.testing.{_KINDS[hook]}")
    answer: str = kind.told(component)
    return answer


def serve() -> None:
    """Answer one line of JSON with another, until there are no more."""
    for line in sys.stdin:
        # What a component prints is no answer.
        with contextlib.redirect_stdout(sys.stderr):
            answer = _answer(json.loads(line))
        print(json.dumps(answer), flush=True)  # noqa: T201 - the parent reads it


def _answer(question: dict[str, str]) -> dict[str, str]:
    sys.path[:] = question["path"]
    os.chdir(question["folder"])
    try:
        found: object = importlib.import_module(question["module"])
        for name in question["name"].split("."):
            found = getattr(found, name)
        if not isinstance(found, type):
            raise TypeError(f"{question['name']} is no class")
        component = recipe_component(question["recipe"], question["hook"], found)
        return {"told": told(component, question["hook"])}
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
