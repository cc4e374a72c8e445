"""Heads of plugins, built again from the metadata of a file."""

from pathlib import Path
from typing import Any

from torch import nn

from tlf.errors import PluginError, RecipeError, WeightsError
from tlf.inference.metadata import Metadata
from tlf.plugins.attribution import blame
from tlf.plugins.loading import load_plugins
from tlf.plugins.returned import checked_head
from tlf.plugins.validation import version
from tlf.recipe.files import component_of


def build_plugin_head(path: Path, metadata: Metadata) -> nn.Module:
    """Build the head of the file at ``path`` with its plugin.

    Raises:
        WeightsError: the plugin is not installed, or no longer offers this head with these options.
    """
    kind = metadata.head["kind"]
    name = kind.partition(":")[0]
    wanted = metadata.plugins.get(name, f"the package of {name!r}")
    try:
        catalogue = load_plugins([name]).catalogue
    except PluginError as error:
        needed = f"its head, {kind!r}, needs the plugin {name!r} of {wanted}"
        raise WeightsError(f"{path}: {needed}: {error}") from error
    offer = catalogue.of("tlf_heads").get(kind)
    if offer is None:
        raise WeightsError(
            f"{path}: the plugin {name!r} must offer {kind!r}, and the installed one does not; "
            f"install {wanted}"
        )
    options = {key: v for key, v in metadata.head.items() if key != "kind" and v is not None}
    try:
        head: Any = component_of(offer, options, catalogue)
    except RecipeError as error:
        raise WeightsError(
            f"{path} holds options that {kind!r} of {version(offer.plugin)} does not take: "
            f"{'; '.join(error.problems)}; install {metadata.plugins[name]}"
        ) from error
    with blame(offer, "build"):
        return checked_head(head.build(metadata.num_features, len(metadata.classes)))
