"""The backbones of a study: how they are named, and what a recipe calls them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tlf.errors import RecipeError
from tlf.recipe.backbone_names import BackboneLike, backbone_table
from tlf.recipe.plan import Plan, planned
from tlf.recipe.schema import Recipe
from tlf.recipe.tables import options, table, titled, written
from tlf.runtime.text import printable

_KEPT = (
    "task", "seed", "precision", "tf32", "deterministic", "cudnn_benchmark", "batch_size",
    "accumulate", "workers", "plugins", "cache", "data",
)  # fmt: skip
"""What a study takes from a recipe, beside ``[transforms]`` without augmentation."""


def plans_of(plan: Plan, backbones: Sequence[BackboneLike]) -> dict[str, Plan]:
    """The name of each backbone → the plan that embeds the images of a recipe with it.

    Parameters:
        plan: the plan of the recipe.
        backbones: what to embed with; empty: the recipe's own, or of the run in ``start_from``.

    Raises:
        RecipeError: no backbone can have such a name or such options, or two are the same.
        PluginError: its plugin cannot be loaded.
    """
    catalogue = plan.plugins.catalogue
    content = table(plan.recipe, catalogue)
    given = [*backbones] or [_own(content)]
    _, hint = options(Recipe)["backbone"]
    tables = [titled(written(backbone_table(one, "--backbones"), hint, catalogue)) for one in given]
    for number, one in enumerate(tables):
        if one in tables[:number]:
            raise RecipeError(
                [f"--backbones must name different backbones, got {_name(one)} twice"], plan.source
            )
    names = [_name(one) for one in tables]
    kept = {key: content[key] for key in _KEPT if key in content}
    kept["transforms"] = {k: v for k, v in content.get("transforms", {}).items() if k != "augment"}
    phases = [{"name": "head", "freeze": "backbone", "epochs": 1, "lr": 0.01}]
    return {
        name if names.count(name) == 1 else _inline(one): planned(
            {**kept, "backbone": one, "phases": phases}, plan.source
        )
        for name, one in zip(names, tables, strict=True)
    }


def _own(content: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The backbone of a recipe, with the weights that its runs start from.

    ``weights_key`` is left out then: it chooses in the file that these weights replace.
    """
    own: Mapping[str, Any] | str = content["backbone"]
    start = content.get("start_from")
    if start is None:
        return own
    given = {"kind": own} if isinstance(own, str) else own
    return {**{key: given[key] for key in given if key != "weights_key"}, "weights": start}


def _name(content: Mapping[str, Any]) -> str:
    """The name of a backbone: of a file of weights without its folders.

    >>> _name({"kind": "timm", "model": "resnet18", "weights": "my/resnet18.safetensors"})
    'timm/resnet18@resnet18.safetensors'
    >>> _name({"kind": "gem:small"})
    'gem:small'
    """
    kind, model, weights = (str(content.get(key, "")) for key in ("kind", "model", "weights"))
    file = weights if weights.startswith("hf-hub:") else weights.rpartition("/")[2]
    named = kind + (f"/{model}" if model else "") + (f"@{file}" if weights else "")
    return printable(named)


def _inline(content: Mapping[str, Any]) -> str:
    """A table as TOML has it in a line.

    >>> _inline({"kind": "timm", "drop_path": 0.1})
    "{kind='timm', drop_path=0.1}"
    """
    return printable("{" + ", ".join(f"{key}={value!r}" for key, value in content.items()) + "}")
