"""The backbone of a head: its architecture is in the head's file, its weights are in another."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import nn

from tlf.errors import RunError
from tlf.inference.head import PortableHead
from tlf.inference.metadata import Metadata
from tlf.plugins.loading import load_plugins
from tlf.recipe.build import build_model_at
from tlf.recipe.files import named_plugins, resolve_model
from tlf.recipe.plan import ModelPlan

_NOT_OPTIONS = ("sha256", "config")


def load_backbone(head: PortableHead, weights: Path) -> nn.Module:
    """Build the backbone that a head was trained on, and load the weights of a file into it.

    Parameters:
        head: the head; its file names the architecture.
        weights: a run's ``model.safetensors``, or the published weights where it was frozen.

    Raises:
        RunError: there is no such file, or this kind of backbone takes none.
        WeightsError: the weights do not fit the architecture.
        PluginError: its plugin is missing.
    """
    if not weights.is_file():
        raise RunError(
            f"there is no {weights}; write --backbone with a file of weights, such as the "
            "model.safetensors of the head's run"
        )
    metadata = head.metadata
    table = {"backbone": _backbone(metadata, weights), "head": _given(metadata.head)}
    changed_by = metadata.changed_by or ()
    if extensions := [name for name in changed_by if ":" in name]:
        raise RunError(
            f"the model of this head was changed by {extensions[0]!r}, whose options its run has; "
            "name the folder of the run instead of the head"
        )
    plugins = load_plugins([*dict.fromkeys((*named_plugins(table), *changed_by))])
    recipe = resolve_model(table, plugins.catalogue, "the head's metadata")
    if "weights" not in (item.name for item in fields(recipe.backbone)):  # type: ignore[arg-type]
        raise RunError(
            f"a backbone of kind {metadata.backbone['kind']!r} takes no file of weights; name the "
            "folder of the run instead of the head"
        )
    plan = ModelPlan(recipe, plugins, "the head's metadata")
    _, classifier = build_model_at(plan, len(metadata.classes), metadata.preprocessing.size)
    plugins.hook.tlf_model_trained(model=classifier)
    return classifier.backbone


def _backbone(metadata: Metadata, weights: Path) -> dict[str, Any]:
    """What a recipe would say about the backbone, with these weights."""
    known = _given(metadata.backbone)
    table = {key: value for key, value in known.items() if key not in _NOT_OPTIONS}
    if known.get("weights") != str(weights.absolute()):
        table.pop("weights_key", None)  # it chooses in the file that the run has read
    return table | {"weights": str(weights.absolute())}


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    """The options that have a value: a recipe has no word for none."""
    return {key: value for key, value in table.items() if value is not None}
