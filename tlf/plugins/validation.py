"""What plugins offer, checked: every kind is a frozen dataclass with its hook's verb."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass

from tlf.components import Offer, Plugin
from tlf.errors import PluginError
from tlf.plugins.tracebacks import reason

VERBS = {
    "tlf_datasets": ("build",),
    "tlf_augmentations": ("augment", "mix"),
    "tlf_backbones": ("build",),
    "tlf_heads": ("build",),
    "tlf_losses": ("build",),
    "tlf_freeze_policies": ("frozen",),
    "tlf_optimizers": ("build",),
    "tlf_schedulers": ("factor",),
    "tlf_extensions": (
        "tlf_phase_started",
        "tlf_training_step",
        "tlf_epoch_ended",
        "tlf_select_best",
        "tlf_model_trained",
        "tlf_run_ended",
    ),
}
"""Hook → the methods of which a component has at least one."""


def checked_offers(plugin: Plugin, hook: str, function: Callable[[], object]) -> Iterator[Offer]:
    """What a plugin's implementation of a component hook offers, under the names for a recipe.

    Raises:
        PluginError: it breaks, or something that it offers is not a component.
    """
    try:
        offered = function()
    except (Exception, SystemExit) as error:
        told = reason(error, function.__module__)
        raise broken(plugin, f"{hook} failed: {told}") from error
    if not isinstance(offered, Mapping):
        raise broken(
            plugin, f"{hook} returns {_article(offered)}, not a mapping from kind to class"
        )
    for kind, component in offered.items():
        if not isinstance(kind, str) or not kind or ":" in kind:
            raise broken(plugin, f"{hook} offers {kind!r}; a kind is a name without ':'")
        if wrong := fault(hook, component):
            raise broken(plugin, f"{hook} offers {kind!r}, which {wrong}")
        prefix = "" if plugin.name == "tlf" else f"{plugin.name}:"
        yield Offer(hook, prefix + kind, component, plugin)


def fault(hook: str, component: object) -> str | None:
    """What keeps a class from being a component, if anything does."""
    if not isinstance(component, type) or not is_dataclass(component):
        return f"is {_article(component)}; write @dataclass(frozen=True) above a class"
    if not component.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return "is not frozen; write @dataclass(frozen=True)"
    verbs = VERBS[hook]
    if not any(callable(getattr(component, verb, None)) for verb in verbs):
        return f"has no method {' or '.join(verbs)}"
    if hook == "tlf_augmentations" and all(hasattr(component, verb) for verb in verbs):
        return "has both augment and mix; write a class for each"
    # These keys mean something else in the tables where such a component's options stand.
    names = ("kind", "bad_images") if hook == "tlf_datasets" else ("kind",)
    taken = [item.name for item in fields(component) if item.name in names]
    return f"has a field {taken[0]!r}, a name that recipes use themselves" if taken else None


def wrong_answer(hook: str, answer: object, arguments: Mapping[str, object]) -> str | None:
    """What keeps the answer to a decision from being one, if anything does.

    >>> wrong_answer("tlf_select_best", 3, {"history": ["a", "b"]})
    'it chose 3; there are epochs 0 to 1'
    """
    if answer is None:
        return None
    if hook == "tlf_select_best":
        history = arguments["history"]
        last = len(history) - 1 if isinstance(history, Sequence) else 0
        known = isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer <= last
        return None if known else f"it chose {answer!r}; there are epochs 0 to {last}"
    if hook == "tlf_training_step":
        shape = getattr(answer, "shape", None)
        if shape is None or tuple(shape) != ():
            return f"it gave {_article(answer)} of shape {shape}, not a loss, a single number"
        if not getattr(answer, "requires_grad", False):
            return "it gave a loss without a graph, which cannot be back-propagated"
    return None


def _article(thing: object) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"


def version(plugin: Plugin) -> str:
    """A plugin's distribution and version."""
    return f"{plugin.distribution} {plugin.version}"


def broken(plugin: Plugin, fault: str) -> PluginError:
    """The error for a plugin that cannot be used."""
    return PluginError(f"plugin {plugin.name!r} ({version(plugin)}): {fault}")
