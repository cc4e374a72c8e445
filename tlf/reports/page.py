"""The frame of every page: one HTML file that loads nothing, from this computer or another.

The browser holds it to that: a Content-Security-Policy allows the page's own scripts and styles,
which it knows by their hashes, and images that are inside the file.
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import tlf
from tlf.metrics.figures import Figure
from tlf.reports.panel import Panel
from tlf.runtime.files import write_whole
from tlf.runtime.strict_json import dumps
from tlf.runtime.text import printable

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = files("tlf.reports") / "templates"
"""The folder of templates. A panel's own are ``ID.css`` and ``ID.js``, beside its ``ID.html``."""


def write_page(path: Path, title: str, panels: Sequence[Panel], *, subtitle: str = "") -> None:
    """Write a page, whole or not at all. A file of that name is replaced.

    Parameters:
        path: the HTML file.
        title: its heading.
        panels: its parts, in their order.
        subtitle: a line below the heading.

    Raises:
        UnwritableError: the file cannot be written.
    """
    write_whole(path, page(title, panels, subtitle=subtitle))


def page(title: str, panels: Sequence[Panel], *, subtitle: str = "") -> str:
    """A page as HTML."""
    scripts, styles = [*_parts(panels, "js")], [*_parts(panels, "css")]
    html: str = (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            subtitle=subtitle,
            panels=panels,
            policy=policy(scripts, styles),
            scripts=scripts,
            styles=styles,
            data={panel.id: json_element(panel.data) for panel in panels if panel.data},
            version=tlf.__version__,
        )
    )
    return html


@cache
def environment(package: str = "tlf.reports", folder: str = "templates") -> "Environment":
    """What renders the templates of a folder: each value in them is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": percent,
        "figure": figure,
        "interval": interval,
        "count": "{:,}".format,
        "printable": printable,
    }
    return made


def render(template: str, **values: object) -> "Markup":
    """The HTML of a panel: a template of the folder ``templates``, filled in."""
    from markupsafe import Markup

    return Markup(environment().get_template(template).render(**values))


def percent(value: float | None) -> str:
    r"""A fraction in percent.

    >>> percent(0.9477), percent(None)
    ('94.8\xa0%', '–')
    """
    return "–" if value is None else f"{value:.1%}".replace("%", "\N{NO-BREAK SPACE}%")


def interval(one: Figure) -> str:
    r"""The 95 % interval of a figure that is a fraction.

    >>> interval(Figure(0.5, 0.25, 0.75)), interval(Figure(None))
    ('25.0–75.0\xa0%', '–')
    """
    return "–" if one.low is None else f"{100 * one.low:.1f}–{percent(one.high)}"


def figure(value: float | None, digits: int = 3) -> str:
    """A number.

    >>> figure(0.12345), figure(None)
    ('0.123', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}"


def _parts(panels: Sequence[Panel], kind: str) -> "Iterator[Markup]":
    """The page's own scripts or styles, and then those of its panels."""
    from markupsafe import Markup

    for name in ("page", *(panel.id for panel in panels)):
        part = TEMPLATES / f"{name}.{kind}"
        if part.is_file():
            yield Markup(part.read_text(encoding="utf-8"))


def policy(scripts: Sequence[str], styles: Sequence[str], connect: str = "'none'") -> str:
    """The Content-Security-Policy. Attributes may set styles, as charts do; none can run a script
    or name another address.

    Parameters:
        scripts: the texts of the page's scripts.
        styles: the texts of its style sheets.
        connect: what scripts may ask: ``'self'`` is the server that the page comes from.
    """
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src", *map(_hash, scripts)]),
            " ".join(["style-src", *map(_hash, styles)]),
            "style-src-attr 'unsafe-inline'",
            "img-src data:",
            f"connect-src {connect}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def json_element(value: object) -> "Markup":
    """A value as JSON that cannot end the element it stands in."""
    from markupsafe import Markup

    text = dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
