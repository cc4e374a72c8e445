"""Names what broke: the component, and the plugin behind it or behind a hook."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pluggy

from tlf import hookspecs
from tlf.components import Offer, Plugin
from tlf.errors import PluginError, TlfError
from tlf.offering import version, wrong_answer
from tlf.reasons import place, reason


@contextmanager
def blame(offer: Offer, verb: str) -> Iterator[None]:
    """Name the component, and the plugin behind it, if what happens inside breaks.

    Raises:
        PluginError: a component refused its options or its surroundings, or a third party's broke.
    """
    who, module = f"{offer.kind!r} ({version(offer.plugin)})", offer.component.__module__
    try:
        yield
    except TlfError:
        raise
    except ValueError as error:
        where = "" if offer.plugin.name == "tlf" else place(error, module)
        raise PluginError(f"{who}: {error}{where}") from error
    except Exception as error:
        if offer.plugin.name == "tlf":
            raise  # a fault of tlf's own keeps its traceback
        raise PluginError(f"{who} failed in {verb}: {reason(error, module)}") from error


def blaming_manager(loaded: Mapping[str, Plugin]) -> pluggy.PluginManager:
    """A manager of hooks that names which of the ``loaded`` plugins broke; pluggy does not.

    Parameters:
        loaded: name → plugin; plugins that are added to it later are known too.
    """
    manager = pluggy.PluginManager("tlf")
    manager.add_hookspecs(hookspecs)
    manager.add_hookcall_monitoring(lambda *_: None, partial(_attribute, loaded))
    return manager


def _attribute(
    loaded: Mapping[str, Plugin],
    outcome: pluggy.Result[Any],
    hook: str,
    implementations: Sequence[pluggy.HookImpl],
    arguments: Mapping[str, object],
) -> None:
    error = outcome.exception
    if error is None:
        wrong = wrong_answer(hook, outcome.get_result(), arguments)
        error = TypeError(wrong) if wrong else None
    if not isinstance(error, Exception) or isinstance(error, (TlfError, pluggy.HookCallError)):
        return
    guilty = [item for item in implementations if _raised_in(item, error)] or implementations
    # An extension is registered under its kind.
    names = [item.plugin_name.partition(":")[0] for item in guilty]
    third = [loaded[name] for name in names if name in loaded]
    if not third:
        return  # a fault of tlf's own keeps its traceback
    who = " or ".join(f"{plugin.name!r} ({version(plugin)})" for plugin in third)
    module = inspect.unwrap(guilty[0].function).__module__
    blamed = PluginError(f"plugin {who} failed in {hook}: {reason(error, module)}")
    blamed.__cause__ = error
    outcome.force_exception(blamed)


def _raised_in(implementation: pluggy.HookImpl, error: Exception) -> bool:
    # The innermost function is the plugin's own; a decorator may be shared by several plugins.
    code = getattr(inspect.unwrap(implementation.function), "__code__", None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is code:
            return True
        trace = trace.tb_next
    return False
