r"""Markdown that shows a text as it is: names of classes and files may hold any characters.

Each value in a template is escaped, unless it is a ``Safe`` text.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from tlf.runtime.text import printable

if TYPE_CHECKING:
    from jinja2 import Environment

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKS = re.compile(r"([\\`*_\[\]#|~!$@{}]|(?<=www)\.|:(?=//|\w+:))")
"""What begins something else in Markdown: an address and ``:name:`` are no text either."""
_LONGEST = 200
"""Characters of a value at most. Its middle is left out beyond."""
_LONGEST_SENTENCE = 1000
"""The same of what tlf says: names in it may be long."""


class Safe(str):
    """Markdown that needs no escape."""

    __slots__ = ()


def escaped(value: object, longest: int = _LONGEST) -> str:
    r"""A value as Markdown that shows its text, in one line.

    >>> escaped("<b> *ants* | [bees](http://a.b)"), escaped(0.5)
    ('&lt;b&gt; \\*ants\\* \\| \\[bees\\](http\\://a.b)', '0.5')
    """
    if isinstance(value, Safe):
        return value
    text = _short(printable(str(value)).strip(), longest)
    text = "".join(_ENTITIES.get(letter, letter) for letter in text)
    return _MARKS.sub(r"\\\1", text)


def sentence(value: object) -> Safe:
    """Sentences of tlf as Markdown: they are longer than names, and each word counts."""
    return Safe(escaped(value, _LONGEST_SENTENCE))


def code(value: object) -> Safe:
    r"""A text in one line as code. In a table, too: no bar ends its cell.

    >>> code("a`b"), code("a|b")
    ('`` a`b ``', '<code>a&#124;b</code>')
    """
    text = _short(printable(str(value)).strip())
    if "|" in text or not text:
        inner = escaped(text).replace("\\|", "&#124;")
        return Safe(f"<code>{inner}</code>")
    fence = "`" * (_longest_run(text) + 1)
    space = " " if "`" in text else ""
    return Safe(f"{fence}{space}{text}{space}{fence}")


def block(text: str, language: str = "") -> Safe:
    r"""Lines of code, whatever is in them.

    >>> block("a = 1\n", "toml")
    '```toml\na = 1\n```'
    """
    fence = "`" * max(3, _longest_run(text) + 1)
    return Safe(f"{fence}{language}\n{text.rstrip()}\n{fence}")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Safe:
    r"""A table. The first column is text, the others are right-aligned.

    >>> print(table(["class", "images"], [["a|b", 3]]))
    | class | images |
    |---|---:|
    | a\|b | 3 |
    """
    lines = [headings, *rows]
    first, *others = (f"| {' | '.join(map(escaped, line))} |" for line in lines)
    return Safe("\n".join([first, f"|---|{'---:|' * (len(headings) - 1)}", *others]))


@cache
def environment() -> "Environment":
    """What renders the templates of the card."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("tlf.publishing.card", "templates"),
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"code": code, "block": block, "sentence": sentence, "count": "{:,}".format}
    return made


def render(template: str, **values: object) -> Safe:
    """A template of the folder ``templates``, filled in."""
    return Safe(environment().get_template(template).render(**values).strip())


def _short(text: str, longest: int = _LONGEST) -> str:
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def _longest_run(text: str) -> int:
    """The length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
