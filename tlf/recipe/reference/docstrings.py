"""What a dataclass and its fields say about themselves, as text that an editor can show."""

import ast
import inspect
import re
import textwrap
from dataclasses import is_dataclass
from itertools import pairwise


def described(cls: type) -> str:
    """A class's own docstring, not the one that ``dataclass`` makes of its signature.

    >>> from tlf.recipe.schema import EarlyStopping
    >>> described(EarlyStopping)
    'End a phase when the monitored metric no longer improves.'
    """
    text = vars(cls).get("__doc__") or ""
    made = text.startswith(f"{cls.__name__}(")
    return "" if made and is_dataclass(cls) else _flowing(text)


def field_texts(cls: type) -> dict[str, str]:
    """Field → the string below it in the source; a class's own wins over its bases'.

    >>> from tlf.recipe.schema import EarlyStopping
    >>> field_texts(EarlyStopping)["patience"]
    'How many epochs may pass without an improvement.'
    """
    texts: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        if is_dataclass(owner):
            texts |= _own_texts(owner)
    return texts


def _own_texts(cls: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):  # made by a program: there is no source
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    texts = {}
    for field, below in pairwise(body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            texts[field.target.id] = _flowing(str(below.value.value))
    return texts


def _flowing(text: str) -> str:
    """Paragraphs of one line each, without doctests, with code marked as Markdown marks it."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    paragraphs = [part for part in paragraphs if not part.startswith(">>>")]
    return "\n\n".join(" ".join(part.split()) for part in paragraphs).replace("``", "`")
