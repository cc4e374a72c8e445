"""Checks of what plugins offer: each component is a frozen dataclass with its hook's method."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from tlf.catalogue import Offer, Plugin
from tlf.components import DATA_KEYS
from tlf.errors import PluginError
from tlf.plugins.options import option_fault
from tlf.plugins.tracebacks import reason
from tlf.tasks import DEFAULT, TASKS
from tlf.tasks.metric import LOSS, metric_name

VERBS = {
    "tlf_datasets": ("build",),
    "tlf_augmentations": ("augment", "mix"),
    "tlf_transforms": ("transform",),
    "tlf_backbones": ("build",),
    "tlf_heads": ("build",),
    "tlf_losses": ("build",),
    "tlf_metrics": ("measure",),
    "tlf_freeze_policies": ("frozen",),
    "tlf_optimizers": ("build",),
    "tlf_schedulers": ("factor",),
    "tlf_trackers": ("open",),
    "tlf_exporters": ("write",),
    "tlf_extensions": (
        "tlf_run_started",
        "tlf_phase_started",
        "tlf_training_step",
        "tlf_stop",
        "tlf_update_ended",
        "tlf_epoch_ended",
        "tlf_select_best",
        "tlf_model_trained",
        "tlf_run_ended",
        "tlf_run_failed",
        "tlf_report_panels",
    ),
}
"""Hook → methods; a component has at least one of them."""

_TAKEN = (LOSS.name, *(metric.name for metric in TASKS[DEFAULT].metrics))
"""What runs of most recipes measure. What a recipe's own task measures is compared with it."""


def checked_offers(plugin: Plugin, hook: str, function: Callable[[], object]) -> Iterator[Offer]:
    """What a plugin's component hook offers, under the names that recipes use.

    Raises:
        PluginError: the hook breaks, or offers something that is not a component.
    """
    try:
        with redirect_stdout(sys.stderr):  # see ``imported``
            offered = function()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise broken(plugin, f"{hook} failed: {reason(error, function.__module__)}") from error
    if not isinstance(offered, Mapping):
        raise broken(
            plugin, f"{hook} must return a mapping from kind to class, got {kind_of(offered)}"
        )
    for kind, component in offered.items():
        if problem := _kind_fault(hook, kind):
            raise broken(plugin, f"{hook}: a kind must be {problem}, got {kind!r}")
        if problem := fault(hook, component):
            raise broken(plugin, f"{hook} offers {kind!r}, which {problem}")
        # tlf's own have other types in their fields, and tests of their own.
        if plugin.name != "tlf" and (problem := option_fault(component)):
            raise broken(plugin, f"{hook} offers {kind!r}: {problem}")
        prefix = "" if plugin.name == "tlf" else f"{plugin.name}:"
        yield Offer(hook, prefix + kind, component, plugin)


def _kind_fault(hook: str, kind: object) -> str | None:
    """What the name of a component must be; None where it is that."""
    if not isinstance(kind, str) or not kind or ":" in kind:
        return "a name without ':'"
    if hook != "tlf_metrics":
        return None
    name = metric_name(kind)  # part of eval_NAME, an attribute
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return "small letters, digits and hyphens, a letter first"
    return "another than those that every run has" if name in _TAKEN else None


def fault(hook: str, component: object) -> str | None:
    """Why a class is not a component; None if it is one."""
    if not isinstance(component, type) or not is_dataclass(component):
        return f"is {kind_of(component)}; write @dataclass(frozen=True) above a class"
    if not component.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return "is not frozen; write @dataclass(frozen=True)"
    verbs = VERBS[hook]
    if not any(callable(getattr(component, verb, None)) for verb in verbs):
        return f"has no method {' or '.join(verbs)}"
    if hook == "tlf_augmentations" and all(hasattr(component, verb) for verb in verbs):
        return "has both augment and mix; write a class for each"
    if hook == "tlf_exporters" and (problem := _exporter_fault(component)):
        return problem
    if hook == "tlf_extensions" and (problem := _state_fault(component)):
        return problem
    if hook == "tlf_metrics" and (problem := _metric_fault(component)):
        return problem
    # In a recipe these keys have another meaning, beside the component's options.
    names = ("kind", *(DATA_KEYS if hook == "tlf_datasets" else ()))
    taken = [item.name for item in fields(component) if item.name in names]
    return (
        f"has a field {taken[0]!r}, a key that recipes use otherwise; rename it" if taken else None
    )


def has_state(extension: type) -> bool:
    """Whether an extension keeps a state: whether it has a field ``state`` that is no option."""
    known: tuple[Field[Any], ...] = fields(extension)
    return any(item.name == "state" and not item.init for item in known)


def _state_fault(extension: type) -> str | None:
    """What is wrong with the field ``state`` of an extension; None if nothing is."""
    known: tuple[Field[Any], ...] = fields(extension)
    state = next((item for item in known if item.name == "state"), None)
    if state is None or state.init != (state.default_factory is dict):
        return None
    fault = "is an option, so it is not stored" if state.init else "does not begin as a dict"
    return (
        f"has a field 'state' that {fault}; write "
        "state: dict[str, Any] = field(default_factory=dict, init=False)"
    )


def _exporter_fault(exporter: type) -> str | None:
    """Why an exporter cannot be used from the command line; None if it can."""
    file = getattr(exporter, "file", None)
    if not isinstance(file, str) or not file or Path(file).name != file:
        return f'has {file!r} as its file; write file = "model.npz", for example, in the class'
    required = next((f.name for f in fields(exporter) if _is_required(f)), None)
    return f"needs the option {required!r}, which --to cannot give" if required else None


def _metric_fault(metric: type) -> str | None:
    """What a metric does not say about its figure; None if it says all."""
    title = getattr(metric, "title", None)
    if not isinstance(title, str) or not title.isprintable() or not 1 <= len(title) <= 20:
        return f'has {title!r:.60} as its title, of 1 to 20 letters; write title = "macro-F1"'
    for name in ("higher_is_better", "is_rate"):
        if not isinstance(value := getattr(metric, name, None), bool):
            return f"has {value!r:.60} as {name}; write {name} = True or False in the class"
    taken = {item.name for item in fields(metric)} & {"title", "higher_is_better", "is_rate"}
    return f"has {min(taken)} as an option; leave out its annotation" if taken else None


def _is_required(item: "Field[Any]") -> bool:
    return item.init and item.default is MISSING and item.default_factory is MISSING


def result_fault(hook: str, result: object, arguments: Mapping[str, object]) -> str | None:
    """What is wrong with the result of a decision hook; None if nothing is.

    >>> result_fault("tlf_select_best", 3, {"history": ["a", "b"]})
    'the result must be an epoch from 0 to 1, got 3'
    """
    if result is None:
        return None
    if hook == "tlf_select_best":
        history = arguments["history"]
        last = len(history) - 1 if isinstance(history, Sequence) else 0
        known = isinstance(result, int) and not isinstance(result, bool) and 0 <= result <= last
        return None if known else f"the result must be an epoch from 0 to {last}, got {result!r}"
    if hook == "tlf_stop":
        named = isinstance(result, str) and bool(result.strip())
        return None if named else f"the result must be a reason, a text, got {result!r:.60}"
    if hook == "tlf_training_step":
        shape = getattr(result, "shape", None)
        if shape is None or tuple(shape) != ():
            return f"the result must be a loss, a single number, got {_described(result, shape)}"
        if not getattr(result, "requires_grad", False):
            return "the result must be a loss with a graph, got one that has no gradient"
    return None


def _described(result: object, shape: Any) -> str:  # noqa: ANN401 - whatever a plugin returns
    return kind_of(result) if shape is None else f"{kind_of(result)} of shape {tuple(shape)}"


def kind_of(value: object) -> str:
    """What a value is, for a person.

    >>> kind_of(None), kind_of([1]), kind_of(int)
    ('None', 'a list', 'the class int')
    """
    if value is None:
        return "None"
    name = (value if isinstance(value, type) else type(value)).__name__
    article = "the class" if isinstance(value, type) else "an" if name[0] in "aeiou" else "a"
    return f"{article} {name}"


def version(plugin: Plugin) -> str:
    """A plugin's distribution and version."""
    return f"{plugin.distribution} {plugin.version}"


def broken(plugin: Plugin, fault: str) -> PluginError:
    """The error for a plugin that cannot be used."""
    return PluginError(f"plugin {plugin.name!r} ({version(plugin)}): {fault}")
