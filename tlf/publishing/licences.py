"""The licence of the weights that a run started from: its own model was made of them.

Nothing is asked of the network: timm and torchvision describe the weights that they publish.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlf.errors import RunError, TlfWarning, WeightsError
from tlf.pretrained.weights import HUB_PREFIX, local_file
from tlf.runs.folder import read_provenance, recorded_recipe

UNKNOWN = "unknown"
"""The hub's word for a licence that is not known."""

OF_HUB = frozenset({
    "afl-3.0", "agpl-3.0", "apache-2.0", "apple-amlr", "apple-ascl", "artistic-2.0", "bsd",
    "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc-by-2.0",
    "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0",
    "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "ecl-2.0", "epl-1.0", "epl-2.0",
    "etalab-2.0", "eupl-1.1", "eupl-1.2", "gemma", "gpl", "gpl-2.0", "gpl-3.0", "isc", "lgpl",
    "lgpl-2.1", "lgpl-3.0", "mit", "mpl-2.0", "ms-pl", "odbl", "openrail", "osl-3.0", "other",
    "pddl", "unknown", "unlicense", "wtfpl", "zlib",
})  # fmt: skip
"""Licences that the hub knows by their names. It takes others as ``other``, with a name."""


class UnknownLicenceWarning(TlfWarning):
    """A card says that the licence of its model is not known."""


@dataclass(frozen=True)
class Licence:
    """The licence of a model, and where that is known from."""

    name: str
    """As the hub writes it, such as ``apache-2.0``; ``unknown`` where it is not known."""
    reason: str
    """A sentence: who says so, or why nobody does."""
    base_model: str = ""
    """The repository of the hub that the pretrained weights come from."""

    @property
    def known(self) -> bool:
        """Whether it is known."""
        return self.name != UNKNOWN


def first_backbone(
    backbone: Mapping[str, Any], started_from: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    """The table of the backbone in the recipe of the run that a chain of runs began with: its
    weights are in all models of the chain. Empty where an earlier tlf has not recorded it.

    Parameters:
        backbone: the table of the run's own recipe.
        started_from: the runs before it, as provenance.json has them.
    """
    for earlier in started_from:
        own = earlier.get("backbone") or _recorded(earlier)
        return first_backbone(own, earlier.get("started_from", ()))
    return backbone


def _recorded(started_from: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table of a run's backbone in its own folder, where that is still there with the same
    recipe: an earlier tlf has recorded no more than where it is.
    """
    folder = Path(str(started_from.get("folder", "")))
    try:
        same = read_provenance(folder).get("recipe_sha256") == started_from.get("recipe_sha256")
    except RunError:
        return {}
    table: Mapping[str, Any] = recorded_recipe(folder).get("backbone", {}) if same else {}
    return table


def find_licence(backbone: Mapping[str, Any], given: str | None = None) -> Licence:
    """The licence of a run's model, as far as its recipe tells.

    Parameters:
        backbone: its table in the recipe that the weights came with.
        given: what its author says.
    """
    found = _found(str(backbone.get("kind")), backbone)
    if given is None:
        return found
    reason = "The author of this model states it."
    if found.known and found.name != given:
        reason = f"{reason} Of the pretrained weights it is {found.name}: {found.reason}"
    return Licence(given, reason, found.base_model)


def _found(kind: str, backbone: Mapping[str, Any]) -> Licence:
    if not backbone:
        return Licence(UNKNOWN, "Nobody has recorded which weights the first of its runs had.")
    weights = str(backbone.get("weights", ""))
    if weights == "starter":
        return Licence("apache-2.0", "The pretrained weights come with tlf, under its licence.")
    if weights == "none":
        return Licence(UNKNOWN, "Training began with random weights: the author may choose one.")
    if kind == "timm" and weights.startswith(HUB_PREFIX):
        return _of_hub(weights.removeprefix(HUB_PREFIX))
    model = str(backbone.get("model"))
    if kind == "timm" and local_file(weights, model) is None:
        return _of_timm(model, weights)
    if kind == "torchvision" and local_file(weights, model) is None:
        return _of_torchvision(model, weights)
    return Licence(UNKNOWN, "The pretrained weights come from a file, or from a plugin.")


def _of_timm(model: str, weights: str) -> Licence:
    from tlf.pretrained.published import timm_config

    try:
        config = timm_config(model, None if weights == "default" else weights)
    except WeightsError:  # they were published by another timm than this one
        return Licence(UNKNOWN, "This version of timm does not know the pretrained weights.")
    name = str(config.license or UNKNOWN).lower()
    repository = str(config.hf_hub_id or "")
    if name == UNKNOWN:
        return Licence(UNKNOWN, "timm does not know that of the pretrained weights.", repository)
    return Licence(name, "So timm describes the pretrained weights.", repository)


def _of_hub(repository: str) -> Licence:
    """Of weights in a repository, as its config.json in the cache says. Nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache

    name, _, revision = repository.partition("@")
    cached = try_to_load_from_cache(name, "config.json", revision=revision or None)
    about: object = json.loads(Path(cached).read_text()) if isinstance(cached, str) else {}
    config = about.get("pretrained_cfg", about) if isinstance(about, dict) else {}
    licence = config.get("license") if isinstance(config, dict) else None
    if isinstance(licence, str):
        return Licence(licence.lower(), f"So {name} describes the pretrained weights.", name)
    return Licence(UNKNOWN, f"The card of {name} may say that of the pretrained weights.", name)


def _of_torchvision(model: str, weights: str) -> Licence:
    from tlf.pretrained.published import torchvision_weights

    published = torchvision_weights(model).get(weights)
    link = getattr(published, "meta", {}).get("license")
    if link:
        return Licence("cc-by-nc-4.0", f"So torchvision says of these weights: {link}")
    return Licence(
        UNKNOWN,
        "torchvision is under bsd-3-clause, and says that its weights may have terms of their own, "
        "from the images that they were trained on.",
    )
