"""The state of extensions: what they keep from one hook to the next.

An extension is a frozen dataclass. It may have a field ``state``, a dict that is no option: the
engine empties it where a run starts, stores it with the state of the run, and fills it again where
the run is resumed. Every process has its own.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from tlf.plugins.attribution import blame
from tlf.plugins.validation import has_state, kind_of
from tlf.recipe.plan import Plan
from tlf.recipe.tables import table
from tlf.runtime.processes import gathered
from tlf.runtime.strict_json import dumps

RULE = "a dict of JSON (text as keys), tuples and tensors"
"""What a state may be."""


def clear_states(plan: Plan) -> None:
    """Begin without what extensions kept from an earlier run of the same plan."""
    for extension in _stateful(plan).values():
        extension.state.clear()


def gather_states(plan: Plan) -> dict[str, list[Any]]:
    """Extension → its state in each process. All processes have to call this.

    Raises:
        PluginError: an extension keeps what cannot be stored; names it, in every process.
    """
    stateful = _stateful(plan)
    faults = {name: state_fault(one.state) for name, one in stateful.items()}
    fault = next(((name, why) for name, why in faults.items() if why), None)
    for name, why in filter(None, gathered(fault)):
        with blame(plan.plugins.catalogue.offer(stateful[name]), "state"):
            raise ValueError(f"its state must be {RULE}, got {why}")
    every = gathered({name: _on_host(one.state) for name, one in stateful.items()})
    return {name: [states[name] for states in every] for name in stateful}


def restore_states(plan: Plan, stored: Mapping[str, list[Any]], process: int) -> list[str]:
    """Fill the states of extensions again, in one process.

    Parameters:
        plan: the recipe, whose extensions may have changed since.
        stored: what ``gather_states`` gave.
        process: the number of the process.

    Returns:
        A sentence for each state that found no extension, and each extension without a state.
    """
    stateful = _stateful(plan)
    for name in stateful.keys() & stored.keys():
        stateful[name].state.clear()
        stateful[name].state.update(_own_memory(stored[name][process]))
    return [
        *(f"extension {n} is new in this run: it starts without a state"
          for n in stateful if n not in stored),
        *(f"extension {n} is gone or keeps no state: what it kept is dropped"
          for n in stored if n not in stateful),
    ]  # fmt: skip


def state_fault(value: object, path: str = "") -> str | None:
    """What of a state cannot be stored so that it comes back as it is; None if all of it can.

    >>> state_fault({"seen": [1, {"best": None}]}), state_fault({"seen": {1, 2}})
    (None, "a set in state['seen']")
    """
    where = f" in state{path}" if path else ""
    match value:
        case dict() if type(value) is dict:
            for key in value:
                if type(key) is not str or key.startswith("$"):
                    return f"the key {key!r}{where}; a key must be a text that begins without $"
        case list() | tuple() if path and type(value) in (list, tuple):
            pass
        case Tensor():
            plain = type(value) is Tensor and value.layout is torch.strided
            return None if plain else f"a {type(value).__name__} ({value.layout}){where}"
        case _:
            known = value is None or type(value) in (bool, int, float, str)
            return None if known and path else f"{kind_of(value)}{where}"
    return next((why for step, item in _items(value) if (why := state_fault(item, path + step))),
                None)  # fmt: skip


def _items(value: Any) -> Iterator[tuple[str, object]]:  # noqa: ANN401 - a dict, list or tuple
    """The way to each item, and the item."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return ((f"[{key!r}]", item) for key, item in pairs)


def _stateful(plan: Plan) -> dict[str, Any]:
    """Name → extension with a state. The name is its kind; its options, too, where the recipe names
    the kind several times.
    """
    catalogue, extensions = plan.plugins.catalogue, plan.recipe.extensions
    kinds = Counter(catalogue.offer(extension).kind for extension in extensions)
    named = {}
    for extension in (one for one in extensions if has_state(type(one))):
        kind = catalogue.offer(extension).kind
        options = "" if kinds[kind] == 1 else f" {dumps(table(extension, catalogue))}"
        named[kind + options] = extension
    return named


def _on_host(value: Any) -> Any:  # noqa: ANN401 - JSON and tensors
    return _mapped(value, lambda tensor: tensor.detach().cpu())


def _own_memory(value: Any) -> Any:  # noqa: ANN401 - JSON and tensors
    return _mapped(value, Tensor.clone)  # what a file holds may be read-only


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:  # noqa: ANN401
    """The same value with each tensor changed."""
    match value:
        case Tensor():
            return change(value)
        case dict():
            return {key: _mapped(item, change) for key, item in value.items()}
        case list() | tuple():
            return type(value)(_mapped(item, change) for item in value)
    return value
