"""A panel: a part of a page under its own heading."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Panel:
    """A part of a page under its own heading."""

    id: str
    """Its anchor: letters and dashes."""
    title: str
    html: "Markup | str"
    """What it shows: escaped by the template that made it. That of a plugin is checked."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the page's script needs of it, as JSON; the script finds it under ``id``."""
