"""The page on which a person drops images: one HTML file, its style sheets and scripts inside."""

from functools import cache
from importlib.resources import files

import tlf
from tlf.reports.page import TEMPLATES, environment, policy
from tlf.serving.limits import MEGABYTE, ServingLimits
from tlf.serving.models import Models

FOLDER = files("tlf.serving") / "page"


def page(models: Models, limits: ServingLimits) -> tuple[str, str]:
    """The page as HTML, and its Content-Security-Policy.

    Parameters:
        models: those that it names.
        limits: what it may send.
    """
    from markupsafe import Markup

    script = _text("page.js")
    styles = [(TEMPLATES / "page.css").read_text(encoding="utf-8"), _text("page.css")]
    html: str = (
        environment("tlf.serving", "page")
        .get_template("page.html")
        .render(
            models=models.each,
            images=limits.images,
            megabytes=limits.body // MEGABYTE,
            script=Markup(script),
            styles=[Markup(style) for style in styles],
            version=tlf.__version__,
        )
    )
    allowed = {"img-src data:": "img-src data: blob:", "form-action 'none'": "form-action 'self'"}
    parts = policy([script], styles, "'self'").split("; ")
    own = [allowed.get(part, part) for part in parts]
    return html, "; ".join([*own, "frame-ancestors 'none'"])


@cache
def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
