"""A new plugin: a complete package that works, as a start."""

import importlib.util
import os
import re
import tempfile
from pathlib import Path
from string import Template

from tlf.errors import PluginError, nearest
from tlf.plugins.discovery import distribution_names, installed_plugins
from tlf.plugins.templates import Starter, command_line, components, freeze_policies, runs

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tlf-$name"
version = "0.1.0"
description = "$about for tlf."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["tlf"]

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points.tlf]
$name = "$module"

[tool.hatch.build.targets.wheel]
only-include = ["$module.py"]
"""


_OFFERING_TEST = '''\
"""It keeps tlf's contract, and is found by its name."""

from tlf.plugins import load_plugins
from tlf.testing import $check

from $module import $component


def test_it_keeps_the_contract():
    $check($component())


def test_it_is_found():
    offers = load_plugins(["$name"]).catalogue.of("$hook")
    assert offers["$name:$kind"].component is $component
'''

_HOOK_TEST = '''\
"""It keeps tlf's contract."""

from tlf.testing import $check

import $module


def test_it_keeps_the_contract():
    $check($tested)
'''

_README = """\
# tlf-$name

$about for tlf.

```sh
pip install -e '.[test]'
pytest
$use
```
"""

DEFAULT = "tlf_freeze_policies"
"""The hook of the plugin that is written where none is named."""


def write_plugin(name: str, parent: Path, hook: str = DEFAULT) -> Path:
    """Write the package of a working plugin, and give its folder.

    Parameters:
        name: its name in recipes.
        parent: where its folder is created.
        hook: the hook that it implements, with ``tlf_`` or without: ``heads``.

    Raises:
        PluginError: the name cannot be used or is taken, the folder exists or cannot be written, or
            there is no such hook.
    """
    _check_name(name)
    starter = find_starter(hook)
    folder = parent / f"tlf-{name}"
    module = f"tlf_{name.replace('-', '_')}"
    _check_free(name, folder, module)
    own, test, readme = _texts_of(starter)
    files = {
        "pyproject.toml": _PROJECT,
        f"{module}.py": own,
        f"tests/test_{module}.py": test,
        "README.md": readme,
    }
    values = {"name": name, "module": module, "about": starter.about, "hook": _full(hook)}
    texts = {path: Template(text).substitute(values) for path, text in files.items()}
    try:
        _write_whole(folder, texts)
    except OSError as error:
        raise PluginError(
            f"{folder} cannot be written: {error.strerror}; go to a folder that can be written"
        ) from error
    return folder


def find_starter(hook: str) -> Starter:
    """What is written for a hook, with ``tlf_`` or without.

    Raises:
        PluginError: there is no such hook; lists them.
    """
    starters: dict[str, Starter] = {}
    for module in (components, freeze_policies, command_line, runs):
        starters |= module.STARTERS
    if (full := _full(hook)) not in starters:
        known = sorted(one.removeprefix("tlf_") for one in starters)
        raise PluginError(f"there is no hook {hook!r}; {nearest(hook, known)}")
    return starters[full]


def _full(hook: str) -> str:
    return "tlf_" + hook.removeprefix("tlf_").replace("-", "_")


def _texts_of(starter: Starter) -> tuple[str, str, str]:
    """A module, its test and a README, with the names of this plugin to be filled in."""
    tested = "$module" + (f".{starter.component}" if starter.component else "")
    test = starter.test or (_OFFERING_TEST if starter.kind else _HOOK_TEST)
    readme = starter.readme or _README
    values = {**vars(starter), "tested": tested}
    module = f'"""$about for tlf.\n\nTry it: {starter.use}\n"""\n\n{starter.code}'
    return module, Template(test).safe_substitute(values), readme.replace("$use", starter.use)


def _check_name(name: str) -> None:
    short = name.removeprefix("tlf-")
    if short == "tlf":
        raise PluginError(
            "a plugin's name must not be 'tlf', which is taken; write another, such as my-freezing"
        )
    if short != name and _NAME.fullmatch(short):
        raise PluginError(
            f"a plugin's name must not begin with 'tlf-', which is added to the package's name; "
            f"write: tlf new-plugin {short}"
        )
    if not _NAME.fullmatch(name):
        raise PluginError(
            f"a plugin's name must be small letters and digits, words joined by hyphens, a letter "
            f"first, got {name!r}; write {_valid_name(name)}, for example"
        )


def _valid_name(name: str) -> str:
    """The nearest name that a plugin may have.

    >>> _valid_name("My_Ends"), _valid_name("2 ends"), _valid_name("tlf_ends"), _valid_name("ä")
    ('my-ends', 'ends', 'ends', 'my-freezing')
    """
    hyphenated = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("0123456789-").rstrip("-")
    short = hyphenated.removeprefix("tlf-")
    return short if _NAME.fullmatch(short) and short != "tlf" else "my-freezing"


def _check_free(name: str, folder: Path, module: str) -> None:
    taken = [plugin for plugin in installed_plugins() if _normalized(plugin.name) == name]
    advice = f"write another name, such as my-{name}"
    if taken:
        owner = f"{taken[0].distribution} {taken[0].version}"
        raise PluginError(f"plugin {taken[0].name!r} is installed already, from {owner}; {advice}")
    if folder.name in map(_normalized, distribution_names()):
        raise PluginError(f"a package called {folder.name} is installed already; {advice}")
    if importlib.util.find_spec(module):
        raise PluginError(f"a module called {module} is installed already; {advice}")
    if os.path.lexists(folder):
        raise PluginError(f"{folder} exists already; {advice}, or go to another folder")


def _normalized(name: str) -> str:
    """A name as package indexes compare it.

    >>> _normalized("My_Pool")
    'my-pool'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _write_whole(folder: Path, texts: dict[str, str]) -> None:
    """Write a folder under a temporary name, and rename it when it is complete."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        complete = Path(temporary, folder.name)
        for path, text in texts.items():
            file = complete / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        complete.rename(folder)
