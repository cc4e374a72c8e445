"""Provenance: what a run was made of, and how to repeat it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlf.errors import in_shell
from tlf.reports.page import render
from tlf.reports.panel import Panel

if TYPE_CHECKING:
    from tlf.reports.report import Content


@dataclass(frozen=True)
class Facts:
    """A table of names and values."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Chapter:
    """What a run was resumed with."""

    epochs: str
    changes: tuple[str, ...]


def panel(report: "Content") -> Panel | None:
    """Recipe, weights, versions, hashes; None where the page is about no run."""
    run = report.run
    if run is None:
        return None
    recorded = run.provenance
    html = render(
        "provenance.html",
        command=f"tlf run {in_shell(run.folder / 'recipe.toml')}",
        tables=[*tables(recorded)],
        chapters=[*chapters(recorded)],
        recipe=run.recipe,
    )
    return Panel("provenance", "Provenance", html)


def tables(recorded: Mapping[str, Any]) -> Iterator[Facts]:
    """What provenance.json says, in the order of what people ask first."""
    hardware = _mapping(recorded, "hardware")
    yield Facts(
        "Hardware and code",
        _facts(
            {
                "device": hardware.get("device"),
                "machine": hardware.get("machine"),
                "CPU capability": hardware.get("cpu_capability"),
                "mixed precision": recorded.get("precision"),
                "git revision": recorded.get("git_revision"),
            }
        ),
    )
    if started := recorded.get("started_from"):
        yield Facts("Started from", _facts(dict(_runs(started))))
    yield Facts("Versions", _facts(_mapping(recorded, "versions")))
    hashes = _mapping(recorded, "data_sha256")
    yield Facts(
        "SHA-256",
        _facts(
            {
                "pretrained weights": recorded.get("backbone_sha256"),
                **{f"{split} images": digest for split, digest in hashes.items()},
                "recipe": recorded.get("recipe_sha256"),
                **{f"plugin {name}": digest for name, digest in _plugins(recorded)},
            }
        ),
    )


def chapters(recorded: Mapping[str, Any]) -> Iterator[Chapter]:
    """What the run was resumed with, the earliest first."""
    earlier = recorded.get("earlier")
    parts = [*(earlier if isinstance(earlier, list) else ()), recorded]
    for part in parts:
        if isinstance(part, Mapping) and isinstance(part.get("changes"), list):
            changes = tuple(map(str, part["changes"]))
            yield Chapter(str(part.get("after_epochs", "some")), changes)


def _runs(started: object) -> Iterator[tuple[str, str]]:
    """The runs whose models a run started from, and the runs that those started from."""
    for one in started if isinstance(started, list) else ():
        if isinstance(one, Mapping):
            metrics = ", ".join(f"{k} {v:.4g}" for k, v in _mapping(one, "metrics").items())
            yield f"{one.get('key')} = {one.get('folder')}", metrics
            yield from _runs(one.get("started_from"))


def _mapping(recorded: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = recorded.get(name)
    return found if isinstance(found, Mapping) else {}


def _plugins(recorded: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    found = recorded.get("plugins")
    for plugin in found if isinstance(found, list) else ():
        if isinstance(plugin, Mapping):
            yield f"{plugin.get('name')} {plugin.get('version')}", plugin.get("sha256")


def _facts(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in values.items() if value is not None)
