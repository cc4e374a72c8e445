"""Heads of plugins, built again from the metadata of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from tlf.errors import PluginError, WeightsError
from tlf.inference.metadata import Metadata
from tlf.plugins.attribution import blame
from tlf.plugins.loading import load_plugins


def build_plugin_head(path: Path, metadata: Metadata, options: Mapping[str, Any]) -> nn.Module:
    """Build the head of the file at ``path`` with its plugin.

    Raises:
        WeightsError: the plugin is not installed, or no longer offers this head.
    """
    kind = metadata.head["kind"]
    name = kind.partition(":")[0]
    wanted = metadata.plugins.get(name, f"the package of {name!r}")
    try:
        offer = load_plugins([name]).catalogue.of("tlf_heads").get(kind)
    except PluginError as error:
        needed = f"its head, {kind!r}, needs the plugin {name!r} of {wanted}"
        raise WeightsError(f"{path}: {needed}: {error}") from error
    if offer is None:
        raise WeightsError(
            f"{path}: the plugin {name!r} must offer {kind!r}, and the installed one does not; "
            f"install {wanted}"
        )
    with blame(offer, "build"):
        module: nn.Module = offer.component(**options).build(
            metadata.num_features, len(metadata.classes)
        )
    return module
