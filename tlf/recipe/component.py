"""A component for a program: made as a recipe makes it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from tlf.catalogue import Catalogue
from tlf.errors import RecipeError, nearest
from tlf.plugins.loading import load_plugins
from tlf.recipe.files import named_plugins
from tlf.recipe.parts.transforms import Transforms
from tlf.recipe.reader import Reader
from tlf.recipe.schema import Data, Phase, Recipe
from tlf.recipe.tables import Kind, kind_of, options, written


def component(key: str, kind: str, /, **values: object) -> Any:  # noqa: ANN401 - any component
    """Make a component, of tlf or of an installed plugin, as a recipe does.

    >>> import tlf
    >>> tlf.component("head", "mlp", hidden=[64]).hidden
    (64,)

    Parameters:
        key: the key of a recipe that it stands under: ``data``, ``augment``, ``prepare``,
            ``backbone``, ``head``, ``loss``, ``metrics``, ``optimizer``, ``tracking``, ``freeze``,
            ``scheduler`` or ``extensions``.
        kind: its kind; ``plugin:kind`` of a plugin.
        values: its options; TOML's values, paths, tuples.

    Raises:
        RecipeError: there is no such component, or an option does not fit.
        PluginError: its plugin cannot be loaded.
    """
    known = _keys()
    if key not in known:
        raise RecipeError(
            [f"a key must be one of a recipe's, got {key!r}; {nearest(str(key), [*known])}"]
        )
    if "kind" in values:
        raise RecipeError([f"a kind must be given once, got {kind!r} and {values['kind']!r}"])
    plugins = load_plugins(named_plugins({"head": kind}))
    reader = Reader(plugins.catalogue)
    table = {"kind": kind, **{name: written(v, None, Catalogue(())) for name, v in values.items()}}
    made = reader.value(Annotated[Any, replace(known[key], many=False)], table, key)
    if reader.problems:
        raise RecipeError([str(problem) for problem in reader.problems], "component")
    return made


def _keys() -> Mapping[str, Kind]:
    """Key of a recipe → what stands under it."""
    fields = ((name, kind_of(hint)) for cls in (Recipe, Data, Transforms, Phase)
              for name, (_, hint) in options(cls).items())  # fmt: skip
    return {"data" if kind.beside else name: kind for name, kind in fields if kind}
