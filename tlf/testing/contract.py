"""The contract of every component: it is a frozen dataclass, its options survive a recipe, and its
random numbers are torch's.
"""

import random
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import torch

from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.errors import PluginError, RecipeError
from tlf.plugins.loading import load_plugins
from tlf.plugins.options import option_fault
from tlf.plugins.validation import fault
from tlf.recipe.files import dump, resolve
from tlf.recipe.paths import with_absolute_paths
from tlf.recipe.schema import Recipe
from tlf.recipe.tables import options
from tlf.tasks import tasks_of

_BLANK = {
    "output": "checked",
    "data": {"kind": "starter"},
    "backbone": {"kind": "torchvision", "weights": "none"},
    "phases": [{"name": "all", "epochs": 1, "lr": 0.1}],
}

_PLACES: dict[str, Callable[[Recipe, Any], Recipe]] = {
    "tlf_datasets": lambda r, c: replace(r, data=replace(r.data, dataset=c)),
    "tlf_augmentations": lambda r, c: replace(r, transforms=replace(r.transforms, augment=(c,))),
    "tlf_transforms": lambda r, c: replace(r, transforms=replace(r.transforms, prepare=(c,))),
    "tlf_backbones": lambda r, c: replace(r, backbone=c),
    "tlf_heads": lambda r, c: replace(r, head=c),
    "tlf_losses": lambda r, c: replace(r, loss=c),
    "tlf_metrics": lambda r, c: replace(r, metrics=(c,)),
    "tlf_freeze_policies": lambda r, c: replace(r, phases=(replace(r.phases[0], freeze=(c,)),)),
    "tlf_optimizers": lambda r, c: replace(r, optimizer=c),
    "tlf_schedulers": lambda r, c: replace(r, phases=(replace(r.phases[0], scheduler=c),)),
    "tlf_trackers": lambda r, c: replace(r, tracking=c),
    "tlf_extensions": lambda r, c: replace(r, extensions=(c,)),
}
"""Component hook → puts such a component into a recipe."""


def require(kept: bool, component: object, problem: str, contract: str) -> None:
    """Check that a component keeps a rule of the contract.

    Raises:
        AssertionError: it does not; names the problem and the rule.
    """
    if not kept:
        raise AssertionError(f"{component!r} {problem}. The contract: {contract}")


@contextmanager
def raising_only(component: object, verb: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn an exception of a component into an AssertionError, except those that it may raise."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (AssertionError, *errors)):
            raise
        may = " or ".join(sorted(kind.__name__ for kind in errors)) or "nothing"
        raise AssertionError(
            f"{component!r} fails in {verb}: {type(error).__name__}: {error}. The contract: what "
            f"a user can fix is a ValueError that says how; here it may raise {may}"
        ) from error


@contextmanager
def no_random_numbers(component: object, verb: str, *, but_torch: bool = False) -> Iterator[None]:
    """Check that the block draws no random numbers, or only torch's."""
    before = _generators()
    yield
    drawn = [name for name, state in _generators().items() if state != before.get(name, state)]
    if but_torch:
        rule = "random numbers come from torch's default generator alone, which tlf seeds"
        require(not set(drawn) - {"torch"}, component, f"draws from {drawn[0:1]} in {verb}", rule)
    else:
        rule = "it is a function of its arguments, so that a run can stop and resume anywhere"
        require(not drawn, component, f"draws random numbers ({', '.join(drawn)}) in {verb}", rule)


def check_options(component: object, hook: str) -> str:
    """Check that a component fits its hook, and that its options survive a recipe; give the recipe.

    Raises:
        AssertionError: it does not, or they do not.
    """
    problem = fault(hook, type(component))
    require(
        problem is None, component, str(problem), "a component is a frozen dataclass with one verb"
    )
    unknown = None if type(component) in _own_classes() else option_fault(type(component))
    require(
        unknown is None, component, f"cannot be loaded: {unknown}", "options are values of TOML"
    )
    rule = "options are values of TOML, and the stored recipe makes an equal component"
    try:
        text = to_recipe(component, hook)
        again = from_recipe(text, hook, type(component))
    except (RecipeError, PluginError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise AssertionError(
            f"{component!r} does not survive a recipe: {reason}. The contract: {rule}"
        ) from error
    cls: Any = type(component)
    given, back = (
        {name: getattr(one, name) for name in options(cls)} for one in (component, again)
    )
    same = again == component or back == with_absolute_paths(cls, given)  # as a recipe has them
    require(same, component, f"comes back from a recipe as {again!r}", rule)
    return text


def to_recipe(component: object, hook: str) -> str:
    """A whole recipe that names the component."""
    catalogue = _catalogue(hook, type(component))
    blank = resolve(_BLANK | {"task": first_task(component)}, catalogue)
    return dump(_PLACES[hook](blank, component), catalogue)


def first_task(component: object) -> str:
    """The first task that a component says it is for; else that of a recipe that names none."""
    return tasks_of(type(component))[0]


def from_recipe(text: str, hook: str, cls: type) -> object:
    """The component that a recipe names."""
    recipe = resolve(tomllib.loads(text), _catalogue(hook, cls))
    if hook == "tlf_datasets":
        return recipe.data.dataset
    lists = {
        "tlf_augmentations": recipe.transforms.augment,
        "tlf_transforms": recipe.transforms.prepare,
        "tlf_extensions": recipe.extensions,
        "tlf_metrics": recipe.metrics,
    }
    if hook in lists:
        return lists[hook][0]
    phase = recipe.phases[0]
    places = {"tlf_freeze_policies": phase.freeze[0], "tlf_schedulers": phase.scheduler}
    singles = {
        "tlf_backbones": recipe.backbone,
        "tlf_heads": recipe.head,
        "tlf_losses": recipe.loss,
        "tlf_optimizers": recipe.optimizer,
        "tlf_trackers": recipe.tracking,
    }
    return {**places, **singles}[hook]


def _own_classes() -> set[type]:
    return {offer.component for offer in own_catalogue().offers}


@cache
def own_catalogue() -> Catalogue:
    """The built-in components."""
    return load_plugins(()).catalogue


def _catalogue(hook: str, cls: type) -> Catalogue:
    checked = Offer(hook, "checked:component", cls, Plugin("checked", "checked", "0"))
    return Catalogue((*own_catalogue().offers, checked))


def _generators() -> dict[str, Any]:
    states: dict[str, Any] = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "random": random.getstate(),
    }
    if "numpy" in sys.modules:
        state = sys.modules["numpy"].random.get_state()
        states["numpy"] = (state[1].tobytes(), *state[2:])
    return states
