"""Plots drawn: as SVG for a page, and as SVG and PNG for papers.

The same plot gives the same bytes, whatever matplotlib's settings of the user are.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings
from xml.etree import ElementTree

from tlf.reports.plots.plot import COLOURS, INK, MUTED, WIDTH, Plot, Table

if TYPE_CHECKING:
    from markupsafe import Markup

DPI = 200
"""Of a PNG."""

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "tlf",
    "text.parse_math": False,  # names of classes and phases are no formulas
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "font.size": 10.0,
}


@dataclass(frozen=True)
class Chart:
    """A plot as a page shows it."""

    title: str
    svg: "Markup"
    """An element whose colours the page's style decides. Its ids begin with the plot's name."""
    table: Table


def chart(plot: Plot) -> Chart:
    """Draw a plot for a page."""
    from markupsafe import Markup

    root = ElementTree.fromstring(_drawn(plot, "svg", transparent=True))
    _describe(root, plot)
    _tidy(root, plot.name)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        for name, value in element.attrib.items():
            element.set(name, _themed(value))
    # ElementTree has escaped what is in it.
    return Chart(plot.title, Markup(ElementTree.tostring(root, encoding="unicode")), plot.table)


def write_plot(plot: Plot, folder: Path) -> tuple[Path, Path]:
    """Write ``NAME.png`` and ``NAME.svg`` on a white ground, as papers need them.

    Raises:
        UnwritableError: they cannot be written.
    """
    from tlf.runtime.files import write_whole, writing, written_whole

    ElementTree.register_namespace("", _SVG[1:-1])
    root = ElementTree.fromstring(_drawn(plot, "svg", transparent=False))
    _describe(root, plot)
    _tidy(root, plot.name)
    root.set("font-family", "DejaVu Sans, Verdana, sans-serif")
    picture, drawing = folder / f"{plot.name}.png", folder / f"{plot.name}.svg"
    with writing(picture), written_whole(picture) as path:
        Path(path).write_bytes(_drawn(plot, "png", transparent=False))
    write_whole(drawing, ElementTree.tostring(root, encoding="unicode") + "\n")
    return picture, drawing


def _drawn(plot: Plot, kind: str, *, transparent: bool) -> bytes:
    from matplotlib.figure import Figure

    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    metadata = nothing if kind == "svg" else {"Software": None}
    file = BytesIO()
    with _settings():
        figure = Figure(figsize=(WIDTH, plot.height), layout="constrained")
        plot.draw(figure)
        figure.savefig(file, format=kind, dpi=DPI, metadata=metadata, transparent=transparent)
    return file.getvalue()


@contextmanager
def _settings() -> Iterator[None]:
    from matplotlib import rc_context, style

    with style.context("default"), rc_context(_SETTINGS), catch_warnings():
        # A page has other fonts; a PNG shows a box.
        filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _describe(root: ElementTree.Element, plot: Plot) -> None:
    """Say what the plot is to people who do not see it."""
    for position, (kind, text) in enumerate([("title", plot.title), ("desc", plot.description)]):
        element = ElementTree.Element(f"{_SVG}{kind}", {"id": kind})
        element.text = text
        root.insert(position, element)
    root.set("role", "img")
    root.set("aria-labelledby", f"{plot.name}-title {plot.name}-desc")


def _tidy(root: ElementTree.Element, prefix: str) -> None:
    """Leave out what only makes the file large, and what would reach beyond the plot: its style."""
    _remove_styles(root)
    root.set("stroke-linejoin", "round")  # what the style said
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    for element in root.iter():
        _plain(element)
    _prefix_ids(root, prefix)
    _unwrap(root)


def _remove_styles(root: ElementTree.Element) -> None:
    for parent in [*root.iter()]:
        for style in parent.findall(f"{_SVG}style"):
            parent.remove(style)


def _prefix_ids(root: ElementTree.Element, prefix: str) -> None:
    """Keep the ids that something refers to, and begin them with the prefix."""
    values = [value for element in root.iter() for value in element.attrib.values()]
    used = {"title", "desc", *(found for value in values for found in _REFERENCE.findall(value))}
    for element in root.iter():
        own = element.attrib.pop("id", None)
        for name, value in element.attrib.items():
            element.set(name, _REFERENCE.sub(f"#{prefix}-\\1", value))
        if own in used:
            element.set("id", f"{prefix}-{own}")


_REFERENCE = re.compile(r"(?:(?<=url\()|^)#(?![0-9a-f]{6}$)([\w.-]+)")
"""The id that a link or a property refers to. Colours have six digits."""
_LONG = re.compile(r"-?\d+\.\d{3,}")


def _plain(element: ElementTree.Element) -> None:
    """Attributes in place of a style, which a page's policy may forbid; short numbers."""
    for rule in filter(None, element.attrib.pop("style", "").split(";")):
        name, _, value = rule.partition(":")
        if name.strip() != "font-family":  # the page's own
            element.set(name.strip(), value.strip())
    if _HREF in element.attrib:
        element.set("href", element.attrib.pop(_HREF))
    if element.attrib.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for name in {"d", "x", "y", "width", "height", "transform"} & element.attrib.keys():
        element.set(name, _LONG.sub(_short, " ".join(element.attrib[name].split())))
    if element.text and not element.text.strip():
        element.text = None
    element.tail = None


def _short(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


def _unwrap(parent: ElementTree.Element) -> None:
    """Put the children of groups that say nothing in their place."""
    for child in [*parent]:
        _unwrap(child)
        if child.tag == f"{_SVG}g" and not child.attrib:
            place = [*parent].index(child)
            parent[place : place + 1] = [*child]


def _themed(value: str) -> str:
    """A colour on paper → the page's colour."""
    name = COLOURS.get(value)
    return value if name is None else f"var(--{name}, {value})"
