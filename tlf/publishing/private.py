"""What may leave this computer: no folders of it, no passwords, no names of single images."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import tomli_w

from tlf.data.image_files import is_image
from tlf.data.ranges.addresses import shown
from tlf.data.splitting.groups import is_pattern
from tlf.inference.metadata import Metadata

_PATTERNS = ("group",)
"""Keys of patterns over names: ``/patient-(\\d+)/`` begins with a slash, and is no path."""

_SENTENCES = ("notes",)
"""Keys of sentences. One may begin with a path."""

_SECRETS = re.compile(
    r"(.*_)?(pass_?(word|wd|phrase)|pwd|secret|token|bearer|sas|credentials?|authorization"
    r"|connection_?string"
    r"|(api|access|account|auth|encryption|private|secret|shared|signing)_?key)",
    re.IGNORECASE,
)
"""Keys of options of plugins whose values nobody else may know, with ``_`` between words."""

_BETWEEN_WORDS = re.compile(r"\W|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""What stands for the ``_`` of ``access_key`` in ``access-key`` and ``accessKey``."""

_IN_SENTENCE = re.compile(r"(?:file://)?(?<![\w.:/~-])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\'\"`,;]+){2,}")
"""A path of at least two parts in a sentence."""

_START = r"(?:~|[A-Za-z]:|file:/)?[/\\]"
"""Of an absolute path."""

_QUOTED_PATH = re.compile(
    "|".join(
        [
            *(rf"(?<={quote}){_START}[^{quote}]*(?={quote})" for quote in "'\"`"),
            rf"(?<=\(){_START}(?:[^()]|\([^()]*\))*(?=\))",
            rf"(?<=\[){_START}(?:[^\[\]]|\[[^\[\]]*\])*(?=\])",
            rf"(?<=\{{){_START}(?:[^{{}}]|\{{[^{{}}]*\}})*(?=\}})",
        ]
    )
)
"""A path between quotes, or in brackets, in a sentence. It may have spaces, and such brackets."""

_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
"""What may be the name of an image in a sentence."""

_UNSAID = ("machine", "recipe")
"""Keys of provenance.json that say more than a result depends on, or are said elsewhere."""


def public(value: Any, folders: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - JSON or TOML
    """A table with the last part in place of every absolute path.

    ``folders``: paths that sentences in it may name, with spaces or without.

    >>> public({"root": "/home/me/ants", "note": "2 images of /home/me/ants are gone", "lr": 0.1})
    {'root': 'ants', 'note': '2 images of ants are gone', 'lr': 0.1}
    """
    if isinstance(value, Mapping):
        return {key: _public_option(str(key), each, folders) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [public(each, folders) for each in value]
    if not isinstance(value, str):
        return value
    text = _without(folders, value)  # a sentence may begin with a path
    return _name(text) if _is_path(text) else _sentence(text)


def public_recipe(recipe: Mapping[str, Any]) -> str:
    """A recipe as TOML without what is private."""
    return tomli_w.dumps(public(recipe))


def public_provenance(provenance: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What a run has recorded about itself, without what is private.

    ``recipe``: of the run. Its paths are what sentences may name.
    """
    found: dict[str, Any] = public(_said(provenance), folders_in(recipe))
    return found | {"recipe": public_recipe(recipe)}


def public_metadata(metadata: Metadata) -> Metadata:
    """The metadata of a model's file without what is private, and without train images: their file
    is not published, as it names them.
    """
    return replace(
        metadata,
        backbone=public(dict(metadata.backbone)),
        head=public(dict(metadata.head)),
        unlike=None,
    )


def folders_in(recipe: Mapping[str, Any], *more: Path) -> tuple[str, ...]:
    """The paths that sentences about a run may name, the longest first."""
    return tuple(sorted({*paths_in(recipe), *map(str, more)}, key=len, reverse=True))


def paths_in(value: object) -> Iterator[str]:
    """The absolute paths in a table."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from () if key in _PATTERNS and is_pattern(str(each)) else paths_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from paths_in(each)
    elif isinstance(value, str) and _is_path(value):
        yield value


def _said(value: Any) -> Any:  # noqa: ANN401 - JSON
    """What is said of a run, of its earlier chapters, too: of a note the first line, since others
    name images, without those that it names itself.
    """
    if isinstance(value, Mapping):
        kept = {key: _said(each) for key, each in value.items() if key not in _UNSAID}
        notes = kept.get("notes")
        cut = [*map(_unnamed, notes)] if isinstance(notes, list) else []
        return kept | ({"notes": cut} if "notes" in kept else {})
    return [_said(each) for each in value] if isinstance(value, list) else value


def _unnamed(note: object) -> str:
    line = str(note).partition("\n")[0]
    return _QUOTED.sub(lambda found: "…" if is_image(found[0][1:-1]) else found[0], line)


def _is_path(text: str) -> bool:
    windows = PureWindowsPath(text)
    if windows.drive and windows.root:
        return True
    return text.startswith(("/", "~/", "file://"))


def _name(path: str) -> str:
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name


def _last_part(path: re.Match[str]) -> str:
    return _name(path[0]) or path[0]


def _without(folders: tuple[str, ...], text: str) -> str:
    for folder in folders:
        text = text.replace(folder, _name(folder) or folder)
    home = os.path.expanduser("~")  # its last part is the user's name
    return re.sub(rf"{re.escape(home)}(?=[/\\]|$)", "~", text) if _name(home) else text


def _sentence(text: str) -> str:
    text = _QUOTED_PATH.sub(_last_part, shown(text))
    return _IN_SENTENCE.sub(_last_part, text)


def _masked(value: Any) -> Any:  # noqa: ANN401 - JSON
    """A secret of the same type: a recipe that holds it can still be read."""
    if isinstance(value, Mapping):
        return {key: _masked(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(each) for each in value]
    return "…" if isinstance(value, str) and value else value


def _public_option(key: str, value: Any, folders: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    if _SECRETS.fullmatch(_BETWEEN_WORDS.sub("_", key)):
        return _masked(value)
    if key in _PATTERNS and is_pattern(str(value)):
        return value
    if key in _SENTENCES and isinstance(value, list):
        return [_sentence(_without(folders, str(each))) for each in value]
    return public(value, folders)
