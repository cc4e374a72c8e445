"""Heads that plugins offer, built again with the options that a file names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from tlf.errors import PluginError, WeightsError
from tlf.inference.metadata import Metadata
from tlf.plugins.attribution import blame
from tlf.plugins.loading import load_plugins


def build_plugin_head(path: Path, metadata: Metadata, options: Mapping[str, Any]) -> nn.Module:
    """Build the head of the file at ``path`` with the plugin that offers it.

    Raises:
        WeightsError: the plugin is not to be had here, or no longer offers it.
    """
    kind = metadata.head["kind"]
    name = kind.partition(":")[0]
    try:
        offer = load_plugins([name]).catalogue.of("tlf_heads").get(kind)
    except PluginError as error:
        wanted = f"its head, {kind!r}, comes with the plugin {name!r} of {metadata.plugins[name]}"
        raise WeightsError(f"{path}: {wanted}: {error}") from error
    if offer is None:
        raise WeightsError(f"{path}: the plugin {name!r} that is installed offers no {kind!r}; "
                           f"it was written with {metadata.plugins[name]}")  # fmt: skip
    with blame(offer, "build"):
        module: nn.Module = offer.component(**options).build(
            metadata.num_features, len(metadata.classes)
        )
    return module
