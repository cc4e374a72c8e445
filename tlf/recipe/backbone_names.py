"""How the command line names a backbone: in short, as a table, or by a recipe that has it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlf.errors import RecipeError
from tlf.recipe.files import read_table
from tlf.recipe.overrides import override
from tlf.recipe.values import shortened

BackboneLike = str | Mapping[str, Any] | object
"""A name such as ``timm/resnet18@a1_in1k``, a table as ``[backbone]`` has it, or a component."""

_NAME = re.compile(r"(?P<kind>[\w.-]+(?::[\w.-]+)?)(?:/(?P<model>[^@]+))?(?:@(?P<weights>.+))?")


def backbone_table(backbone: BackboneLike, option: str) -> object:
    """What a recipe would say of a backbone.

    >>> backbone_table("timm/resnet18@a1_in1k", "--backbone")
    {'kind': 'timm', 'model': 'resnet18', 'weights': 'a1_in1k'}

    Parameters:
        backbone: as a person or a program names it.
        option: what an error calls it.

    Raises:
        RecipeError: no backbone can have such a name.
    """
    if not isinstance(backbone, str):
        return backbone
    text = backbone.strip()
    if text.startswith("{"):
        content, problems = override({}, [f"backbone={text}"])
        if problems:
            raise RecipeError(problems, option)
        return content["backbone"]
    if text.endswith(".toml"):
        content = read_table(Path(text))
        if "backbone" not in content:
            raise RecipeError(["it has no [backbone]; write the path of a whole recipe"], text)
        return content["backbone"]
    found = _NAME.fullmatch(text)
    if found is None:
        raise RecipeError([_unknown(text)], option)
    return {key: value for key, value in found.groupdict().items() if value is not None}


def _unknown(text: str) -> str:
    return (
        f"a backbone must be LIBRARY/MODEL, LIBRARY/MODEL@WEIGHTS, PLUGIN:KIND, a recipe or a "
        f"table, got {shortened(repr(text))}; write timm/resnet18@a1_in1k, for example"
    )
