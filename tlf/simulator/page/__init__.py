"""The page of the simulator as one HTML file: its style sheets and scripts are inside it."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import tlf
from tlf.reports.page import TEMPLATES, environment, json_element, policy

FOLDER = files("tlf.simulator") / "page"
"""Style sheets, and modules that begin with ``app.js``."""
FIRST = 'document.documentElement.classList.add("scripted");'
"""The script that runs before anything is shown, so that nothing moves when the others run."""
IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([\w-]+\.js)";$', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?(?:function\*?|const|let|class) (\w+))", re.MULTILINE)


def simulator_page(
    scene: Mapping[str, Any],
    command: str,
    recordings: Mapping[str, Any] | None = None,
) -> str:
    """The page as HTML.

    Parameters:
        scene: what it shows from the start, as JSON.
        command: what opens the live page.
        recordings: what the page plays, as JSON; without, it asks the program that serves it.
    """
    from markupsafe import Markup

    script, styles = joined_script(), [*_styles()]
    connect = "'self'" if recordings is None else "'none'"
    html: str = (
        environment("tlf.simulator", "page")
        .get_template("page.html")
        .render(
            scene=scene,
            command=command,
            recordings=recordings,
            policy=policy([FIRST, script], styles, connect),
            first=Markup(FIRST),
            script=Markup(script),
            styles=[Markup(style) for style in styles],
            data={
                "scene": json_element(scene),
                **({} if recordings is None else {"recordings": json_element(recordings)}),
            },
            version=tlf.__version__,
        )
    )
    return html


@cache
def joined_script() -> str:
    """All modules as one script, each after those that it imports. Each is a function that returns
    what it exports, so that the names in it are its own.
    """
    return "\n".join(["const modules = {};", *_modules("app.js", set())])


def _modules(name: str, done: set[str]) -> Iterator[str]:
    if name in done:
        return
    done.add(name)
    text = (FOLDER / name).read_text(encoding="utf-8")
    for _, other in IMPORT.findall(text):
        yield from _modules(other, done)
    exported = ", ".join(found for _, found in EXPORT.findall(text))
    body = EXPORT.sub(r"\1", IMPORT.sub(r'const \1 = modules["\2"];', text))
    yield f'modules["{name}"] = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();'


def _styles() -> Iterator[str]:
    """That of every page of tlf, that of this page, and those of its parts."""
    yield (TEMPLATES / "page.css").read_text(encoding="utf-8")
    sheets = {one.name: one for one in FOLDER.iterdir() if one.name.endswith(".css")}
    yield sheets.pop("page.css").read_text(encoding="utf-8")
    for name in sorted(sheets):
        yield sheets[name].read_text(encoding="utf-8")
