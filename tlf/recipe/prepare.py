"""Transforms: what plugins do to every image, of train and eval alike, after it is resized.

The preprocessing records them, so that whoever loads a run's model prepares images as the run did.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tlf.components import Transform
from tlf.errors import PluginError, nearest
from tlf.plugins.attribution import AttributedTransform, blame
from tlf.plugins.loading import load_plugins
from tlf.preprocessing import Preprocessing
from tlf.recipe.files import component_of
from tlf.recipe.plan import Plan
from tlf.recipe.tables import table
from tlf.runtime.seeds import seeded
from tlf.runtime.strict_json import dumps

if TYPE_CHECKING:
    from torch import Tensor

HOOK = "tlf_transforms"


def transforms_of(plan: Plan) -> tuple[AttributedTransform, ...]:
    """The transforms of a recipe. Their errors name their plugins."""
    catalogue = plan.plugins.catalogue
    return tuple(AttributedTransform(t, catalogue.offer(t)) for t in plan.recipe.transforms.prepare)


def records_of(plan: Plan) -> tuple[Mapping[str, Any], ...]:
    """The transforms of a recipe as ``Preprocessing.prepare`` records them."""
    catalogue = plan.plugins.catalogue
    offers = [(one, catalogue.offer(one)) for one in plan.recipe.transforms.prepare]
    return tuple({"kind": offer.kind, **table(one, catalogue)} for one, offer in offers)


def check_transforms(plan: Plan, preprocessing: Preprocessing) -> None:
    """Try the transforms of a recipe on an image of noise, twice.

    Raises:
        PluginError: names the transform that broke, gives no image, or gives another one each time.
    """
    import torch

    from tlf.data.transforms import noise

    height, width = preprocessing.resize, preprocessing.resize + 7
    with seeded(0, "images"):
        image = noise(preprocessing, height, width)
    for transform in transforms_of(plan):
        given = image.clone()
        first, second = transform(image), transform(given)
        with blame(transform.offer, "transform"):
            if first.shape != second.shape or not torch.equal(first, second):
                raise ValueError(
                    "transform must give the same image each time, got two; draw nothing at random "
                    "in it, and change no image in place: an augmentation may be random"
                )
        image = first


def prepared(image: "Tensor", preprocessing: Preprocessing) -> "Tensor":
    """A resized image (C, H, W) → the same after the transforms of its preprocessing.

    Raises:
        PluginError: a plugin of them is not installed, or it broke.
    """
    if preprocessing.prepare:
        for transform in _recorded(dumps([*preprocessing.prepare])):
            image = transform(image)
    return image


@lru_cache(maxsize=8)
def _recorded(records: str) -> tuple[AttributedTransform, ...]:
    return tuple(_loaded(record) for record in json.loads(records))


def _loaded(record: Mapping[str, Any]) -> AttributedTransform:
    """The transform that a file records, from its plugin.

    Raises:
        PluginError: the plugin is not installed or broken, or offers no such transform.
    """
    kind = record["kind"]
    plugins = load_plugins([kind.partition(":")[0]])
    offer = plugins.catalogue.of(HOOK).get(kind)
    if offer is None:
        known = [*plugins.catalogue.of(HOOK)]
        raise PluginError(
            f"the model's images were prepared by {kind!r}, which its plugin no longer offers; "
            f"{nearest(kind, known) if known else 'install the version that did'}"
        )
    options = {name: value for name, value in record.items() if name != "kind"}
    transform: Transform = component_of(offer, options, plugins.catalogue)  # type: ignore[assignment]
    return AttributedTransform(transform, offer)
