"""HTML of others, made safe for a page: an allow-list of elements, attributes and styles.

What is allowed is written anew, with all text escaped, so that a browser reads what was checked.
"""

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from tlf.reports.allowed_html import (
    ATTRIBUTES,
    ELEMENTS,
    PROPERTIES,
    REFERENCES,
    VOID,
)

if TYPE_CHECKING:
    from markupsafe import Markup

LONGEST = 10**6
"""Characters of HTML that a panel may have."""

_ID = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
_LOCAL = re.compile(r"url\(\s*['\"]?#([\w.-]+)['\"]?\s*\)", re.ASCII)
_VALUE = re.compile(r"[\w\s#%.,'\"()+*/!-]*", re.ASCII)
_FUNCTION = re.compile(r"([\w-]*)\(")
_FUNCTIONS = frozenset(
    ["", "rgb", "rgba", "hsl", "hsla", "var", "calc", "min", "max", "minmax", "repeat", "translate",
     "rotate", "scale", "matrix"]
)  # fmt: skip


def safe_html(html: str, prefix: str) -> "Markup":
    """The same HTML, written anew; ids and references to them begin with a prefix.

    >>> str(safe_html('<p id="a">1 < 2, <a href="#a">here</a></p>', "my-panel"))
    '<p id="my-panel-a">1 &lt; 2, <a href="#my-panel-a">here</a></p>'

    Raises:
        ValueError: an element, an attribute or a reference is not allowed; names it.
    """
    from markupsafe import Markup

    if len(html) > LONGEST:
        raise ValueError(f"a panel must have at most {LONGEST:,} characters, got {len(html):,}")
    writer = _Writer(prefix)
    writer.feed(html)
    writer.close()
    return Markup("".join(writer.finished()))


class _Writer(HTMLParser):
    """Writes what it reads, if it is allowed."""

    def __init__(self, prefix: str) -> None:
        super().__init__(convert_charrefs=True)
        self.prefix = prefix
        self.parts: list[str] = []
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.references: dict[str, str] = {}
        """Id that something refers to → the first element that does."""

    def finished(self) -> Sequence[str]:
        """All parts, if nothing is left open."""
        if self.open:
            raise ValueError(f"<{self.open[-1]}> must be closed; write </{self.open[-1]}>")
        for name, element in self.references.items():
            if name not in self.ids:
                raise ValueError(f"<{element}> refers to #{name}, which is no id of this panel")
        return self.parts

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._check_element(tag)
        self.parts.append("".join(["<", tag, *self._attributes(tag, attrs), ">"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            place = f"stands after <{self.open[-1]}>" if self.open else "closes nothing"
            raise ValueError(f"</{tag:.40}> {place}; close elements in their order")
        self.open.pop()
        self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        from markupsafe import escape

        self.parts.append(str(escape(data)))

    def handle_comment(self, data: str) -> None:
        raise ValueError("comments are not allowed; leave <!-- --> out")

    def handle_decl(self, decl: str) -> None:
        raise ValueError(f"<!{decl:.40}> is not allowed; write elements and text")

    def unknown_decl(self, data: str) -> None:
        self.handle_decl(data)

    def handle_pi(self, data: str) -> None:
        raise ValueError(f"<?{data:.40}> is not allowed; write elements and text")

    def _check_element(self, tag: str) -> None:
        if tag not in ELEMENTS:
            raise ValueError(
                f"<{tag:.40}> is not allowed; escape what comes from data, and write text, tables, "
                "details, images as data: and SVG"
            )

    def _attributes(self, tag: str, attrs: list[tuple[str, str | None]]) -> Iterator[str]:
        from markupsafe import escape

        names = [name for name, _ in attrs]
        if tag == "img" and "alt" not in names:
            raise ValueError('<img> must have a text; write alt="…"')
        for name, given in attrs:
            if names.count(name) > 1:
                raise ValueError(f"<{tag}> must have {name} once, got it twice")
            if name not in ATTRIBUTES and not re.fullmatch(r"aria-[a-z]+", name):
                raise ValueError(f"<{tag} {name:.40}> is not allowed; leave {name:.40} out")
            yield f' {name}="{escape(self._value(tag, name, given or ""))}"'

    def _value(self, tag: str, name: str, value: str) -> str:
        if name == "id":
            return self._own_id(tag, value)
        if name == "src":
            if not _IMAGE.fullmatch(value):
                raise ValueError(f"<{tag} src> must be data:image/png;base64,…, got {value!r:.60}")
            return value
        if name in ("href", "xlink:href"):
            if not value.startswith("#"):
                raise ValueError(f"<{tag} {name}> must be #id of this panel, got {value!r:.60}")
            return "#" + self._reference(tag, value[1:])
        if name in REFERENCES:
            return " ".join(self._reference(tag, one) for one in value.split())
        if name == "style":
            return "; ".join(self._declared(tag, one) for one in value.split(";") if one.strip())
        is_text = name in ("alt", "title") or name.startswith("aria-")
        return value if is_text else self._without_urls(tag, name, value)

    def _own_id(self, tag: str, value: str) -> str:
        if not _ID.fullmatch(value):
            raise ValueError(f"<{tag} id> must be letters, digits and hyphens, got {value!r:.60}")
        if value in self.ids:
            raise ValueError(f"<{tag} id> must be unique, got {value!r:.60} twice")
        self.ids.add(value)
        return f"{self.prefix}-{value}"

    def _reference(self, tag: str, name: str) -> str:
        self.references.setdefault(name, tag)
        return f"{self.prefix}-{name}"

    def _declared(self, tag: str, declaration: str) -> str:
        """A declaration of a style: a known property, of words, numbers, colours and ids."""
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name.lower() not in PROPERTIES and not name.startswith(("stroke-", "fill-", "font-")):
            raise ValueError(f"<{tag} style> must not set {name!r:.40}; leave it out")
        text = self._without_urls(tag, f"style {name}", value)
        inside = [one.lower() for one in _FUNCTION.findall(_LOCAL.sub("", value))]
        if not _VALUE.fullmatch(value) or not {*inside} <= _FUNCTIONS:
            raise ValueError(f"<{tag} style> must not set {name} to {value!r:.60}; leave it out")
        return f"{name}: {text}"

    def _without_urls(self, tag: str, name: str, value: str) -> str:
        """A value that names no address but an id of this panel."""
        # A backslash may hide the name of a function.
        if re.search(r"url\s*\(|\\", _LOCAL.sub("", value), re.IGNORECASE):
            raise ValueError(f"<{tag} {name}> must name url(#id) only, got {value!r:.60}")
        return _LOCAL.sub(lambda found: f"url(#{self._reference(tag, found[1])})", value)
