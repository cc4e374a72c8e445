"""What a run is made of: its recipe, the code and the versions that compute it, its weights and its
images. All processes of a run must agree on it, and a run is resumed with what it was started with.

An identity is a JSON value, and the first part of provenance.json.
"""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from platform import node
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tlf.cache.keys import engine, plugin_code
from tlf.catalogue import Plugin
from tlf.components import Split
from tlf.data.inspection.readable import listing_sha256
from tlf.errors import RunError
from tlf.plugins.loading import Plugins
from tlf.recipe.files import dump
from tlf.recipe.plan import Plan

if TYPE_CHECKING:
    from tlf.training.job import Job

Identity = Mapping[str, Any]

_LIBRARIES = ("tlf", "torch", "torchvision", "timm", "accelerate", "safetensors", "pillow", "numpy")

LOCAL = ("output", "workers", "checkpoint_every", "cache.max_gb", "cache.dir", "data.")
"""Prefixes of the keys of a recipe that may differ between processes: they change no result, or,
for the images, their outcome is compared (see ``tlf.data.inspection.same_images``)."""


def plan_identity(plan: Plan) -> dict[str, Any]:
    """The part that is known before the images are found and the model is built."""
    return {
        "versions": dict(_versions()),
        "plugins": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "sha256": _code(plugin, plan.plugins),
            }
            for plugin in plan.plugins.loaded
        ],
        "recipe": dump(plan.recipe, plan.plugins.catalogue),
    }


@cache
def _versions() -> Mapping[str, str]:
    """Of what this process has imported: a library that is installed anew is not used by it."""
    return {name: version(name) for name in _LIBRARIES}


def job_identity(job: "Job") -> dict[str, Any]:
    """All of it. There is no hash of images until they are read."""
    return plan_identity(job.plan) | {
        "precision": job.accelerator.mixed_precision,
        "backbone_sha256": job.backbone_sha256,
        "data_sha256": dict(job.manifests),
        "classes": list(job.splits.classes),
        **_test_identity(job.splits.test),
    }


def _test_identity(test: Split | None) -> dict[str, str]:
    """The test split, whose images are not read: a hash of their names and labels."""
    return {} if test is None else {"test_sha256": listing_sha256(test)}


def check_processes(identity: Identity, paths: Iterable[str] = ()) -> None:
    """Check that all processes of the run have the same identity. Every process has to call this.

    Parameters:
        identity: that of this process.
        paths: keys of the recipe that hold paths: a host may have its files in another place.

    Raises:
        RunError: names the first process that differs from the main one, and the first difference.
    """
    from tlf.runtime.processes import gathered  # who compares nothing does not wait for torch

    first, *others = gathered((node(), identity))
    for number, (host, other) in enumerate(others, start=1):
        for difference in differences(first[1], other, (*LOCAL, *paths)):
            here, there = f"process 0 on {first[0]}", f"process {number} on {host}"
            raise RunError(
                f"{difference.between(here, there)}; start all processes with the same recipe, "
                "versions, code and weights"
            )


@dataclass(frozen=True)
class Difference:
    """Something in which two identities differ."""

    what: str
    values: tuple[object, object] | None
    """What it is in either of them; None where both only have a hash of it."""
    part: str = ""
    """The part of the identities that it belongs to, such as ``recipe``."""

    def since(self) -> str:
        """A sentence, where the second identity is the later one."""
        if self.values is None:
            return f"{self.what} changed"
        return f"{self.what} was {self.values[0]} and is {self.values[1]}"

    def between(self, first: str, second: str) -> str:
        """A sentence, where the identities are those of two processes."""
        must = f"{self.what} must be the same in all processes"
        if self.values is None:
            return f"{must}, got another in {second} than in {first}"
        return f"{must}, got {self.values[0]} in {first} and {self.values[1]} in {second}"


def differences(first: Identity, second: Identity, free: tuple[str, ...]) -> Iterator[Difference]:
    """Where two identities differ, in the parts that both of them have.

    >>> one, other = {"recipe": "seed = 0"}, {"recipe": "seed = 1", "precision": "no"}
    >>> [difference.since() for difference in differences(one, other, ("workers",))]
    ['seed was 0 and is 1']

    Parameters:
        first: an identity.
        second: another one.
        free: prefixes of the keys of a recipe that may differ.
    """
    for part in (part for part in _PARTS if part in first and part in second):
        one, other = (dict(_PARTS[part](identity[part])) for identity in (first, second))
        for what in dict.fromkeys([*one, *other]):
            absent = (one.get(what) or other[what]).absent
            values = [facts[what].value if what in facts else absent for facts in (one, other)]
            if values[0] == values[1] or None in values or what.startswith(free):
                continue
            hashed = isinstance(values[0], _Hash)
            yield Difference(what, None if hashed else (values[0], values[1]), part)


def flat(table: object, path: str = "") -> dict[str, Any]:
    """Dotted path → value.

    >>> flat({"a": {"b": 1}, "c": [2, {"d": 3}]})
    {'a.b': 1, 'c.0': 2, 'c.1.d': 3}
    """
    if isinstance(table, dict):
        items = list(table.items())
    elif isinstance(table, list):
        items = [(str(number), item) for number, item in enumerate(table)]
    else:
        return {path.removesuffix("."): table}
    return {k: v for key, item in items for k, v in flat(item, f"{path}{key}.").items()}


class _Hash(str):
    """A hash: nobody can read it, so a message does not show it."""


@dataclass(frozen=True)
class _Fact:
    value: object
    absent: str | None = None
    """What a message says where an identity lacks it; None if it is not compared then."""


def _code(plugin: Plugin, plugins: Plugins) -> str:
    if plugin.name == "tlf":
        return engine()
    entry = plugins.manager.get_plugin(plugin.name)
    own = entry.__name__ if isinstance(entry, ModuleType) else type(entry).__module__
    offers = (offer for offer in plugins.catalogue.offers if offer.plugin == plugin)
    return plugin_code([own, *(offer.component.__module__ for offer in offers)])


def _version_facts(versions: Mapping[str, str]) -> Iterator[tuple[str, _Fact]]:
    for name, number in versions.items():
        yield f"the version of {name}", _Fact(number)


def _plugin_facts(plugins: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, _Fact]]:
    for plugin in plugins:
        name = plugin["name"]
        if name != "tlf":  # its version is among those of the libraries
            release = f"{plugin['distribution']} {plugin['version']}"
            yield f"the plugin {name!r}", _Fact(release, absent="not used")
        if "sha256" in plugin:
            title = name if name == "tlf" else f"the plugin {name!r}"
            yield f"the code of {title}", _Fact(_Hash(plugin["sha256"]))


def _recipe_facts(text: str) -> Iterator[tuple[str, _Fact]]:
    for key, value in flat(tomllib.loads(text)).items():
        yield key, _Fact(value, absent="not set")


def _image_facts(manifests: Mapping[str, str]) -> Iterator[tuple[str, _Fact]]:
    for split, digest in manifests.items():
        title = f"the images of the {split} split, their names or their labels"
        yield title, _Fact(_Hash(digest))


_PARTS: Mapping[str, Callable[[Any], Iterable[tuple[str, _Fact]]]] = {
    "versions": _version_facts,
    "plugins": _plugin_facts,
    "recipe": _recipe_facts,
    "precision": lambda name: [("the precision", _Fact(name))],
    "backbone_sha256": lambda digest: [("the weights of the backbone", _Fact(_Hash(digest)))],
    "data_sha256": _image_facts,
    "classes": lambda names: [("the list of classes", _Fact(", ".join(names)))],
    "test_sha256": lambda digest: [
        ("the images of the test split, their names or their labels", _Fact(_Hash(digest)))
    ],
}
"""Part of an identity → what it says, as a message names it."""
