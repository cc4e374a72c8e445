"""The labels of an image that may have several classes: a list, or a text that separates them."""

from collections.abc import Iterable
from typing import Any

from tlf.data.label_sets.as_text import is_name, text_of


def text_of_label(label: Any, separator: str) -> tuple[str, bool]:  # noqa: ANN401 - JSON
    """A label as the index has it, and whether it may be several classes.

    >>> text_of_label(["dog", "cat"], ""), text_of_label("dog|cat", "|"), text_of_label("dog", "")
    (('cat; dog', True), ('cat; dog', True), ('dog', False))

    Parameters:
        label: a name, a whole number, or a list of them.
        separator: between the names of a text; empty where a text is one name.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(label, list):
        return text_of_names(map(_name, label)), True
    if separator and isinstance(label, str):
        return text_of_names(filter(None, map(str.strip, label.split(separator)))), True
    name = _name(label)
    return (text_of_names([name]), True) if separator else (name, False)


def text_of_names(names: Iterable[str]) -> str:
    """The text of some classes.

    Raises:
        ValueError: a name holds what separates the classes of an image.
    """
    every = [*names]
    if wrong := next((name for name in every if not is_name(name)), None):
        raise ValueError(
            f"must hold names without ';', which separates classes, got {wrong!r:.100}; rename it"
        )
    return text_of(every)


def _name(label: Any) -> str:  # noqa: ANN401 - JSON
    if not isinstance(label, str | int) or isinstance(label, bool) or not str(label).strip():
        raise ValueError(f"must hold a name or a whole number, got {label!r:.100}")
    return str(label).strip()
