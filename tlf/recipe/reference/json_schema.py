"""The JSON Schema of a recipe, for editors and other programs: what a recipe may say.

It follows what ``tlf.recipe.reader`` accepts. Five things are beyond it: what a component checks
in its own ``__post_init__``, what has to fit between two values, a whole number that is written as
``3.0``, which JSON takes for the same as ``3``, the numbers ``nan`` and ``inf``, which JSON lacks
and tlf refuses, and the bounds of ``tlf.recipe.toml``. Where plugins are switched off, it knows
none of their options, and accepts whatever a recipe says of a ``plugin:kind``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, is_dataclass, replace
from types import NoneType
from typing import Any, get_args, get_origin

from tlf.catalogue import Catalogue, Offer
from tlf.errors import PluginError
from tlf.plugins.discovery import switched_off
from tlf.plugins.loading import Surveyed, survey_plugins
from tlf.plugins.tracebacks import reason
from tlf.plugins.validation import VERBS, broken
from tlf.recipe.reference.docstrings import described, field_texts
from tlf.recipe.schema import Phase, Recipe
from tlf.recipe.tables import Kind, inline_kind, kind_of, options, readable_options, written
from tlf.recipe.values import LISTS, TABLES, UNIONS, fixed, json_schema
from tlf.results import EVAL
from tlf.runtime.strict_json import dumps
from tlf.tasks import MONITORS

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NOTHING: Schema = {"not": {}}
"""No value fits."""

_ADDED: Mapping[tuple[type, str], Schema] = {
    (Recipe, "checkpoint_every"): {"minProperties": 1, "maxProperties": 1},
    (Recipe, "phases"): {"minItems": 1},
    (Recipe, "monitor"): {
        "anyOf": [{"enum": [*MONITORS]}, {"type": "string", "pattern": f"^{EVAL}[a-z][a-z0-9_]*$"}]
    },
    (Phase, "lr"): {"required": ["head"]},  # concerns tables only
}
"""What is checked by code, not by types."""
_FILLED_IN = ((Recipe, "output"),)
"""What is required by its type, and filled in from the name of the recipe's file."""


_A_PLUGINS_KIND: Schema = {
    "type": "string",
    "pattern": "^[^:]+:.+$",
    "description": "A plugin's: plugin:kind. Install it and run tlf schema for its options.",
}
_A_PLUGINS_TABLE: Schema = {
    "type": "object",
    "properties": {"kind": _A_PLUGINS_KIND},
    "required": ["kind"],
}


def recipe_schema() -> Schema:
    """The JSON Schema of a recipe, with the options of every installed plugin that works.

    >>> import tlf
    >>> schema = tlf.recipe_schema()
    >>> schema["properties"]["batch_size"]["default"], schema["required"]
    (32, ['data', 'backbone', 'phases'])
    """
    return schema_of(usable_plugins()[0])


def usable_plugins() -> tuple[tuple[Surveyed, ...], tuple[str, ...]]:
    """What comes with tlf and the installed plugins; and for each that fails, why it does."""
    usable, failures = [], []
    for one in survey_plugins():
        failure = one.failure or _unreadable(one)
        if failure is None:
            usable.append(one)
        else:
            failures.append(failure)
    return tuple(usable), tuple(failures)


def schema_of(plugins: Sequence[Surveyed]) -> Schema:
    """The JSON Schema of a recipe that may name these plugins."""
    offers = tuple(offer for one in plugins for offer in one.offers)
    names = tuple(one.plugin.name for one in plugins if one.plugin.name != "tlf")
    return _Writer(Catalogue(offers), names, any_plugin=switched_off()).recipe()


def _unreadable(one: Surveyed) -> str | None:
    writer = _Writer(Catalogue(one.offers), ())
    for offer in one.offers:
        try:
            writer.choices(offer, {})
        except PluginError as error:
            return str(broken(one.plugin, str(error)))
        except Exception as error:  # a default that cannot be made, for example
            told = reason(error, offer.component.__module__)
            return str(broken(one.plugin, f"{offer.kind!r}: its options cannot be read: {told}"))
    return None


@dataclass(frozen=True)
class _Writer:
    """Writes the schema of dataclasses, as ``Reader`` makes them from tables."""

    catalogue: Catalogue
    plugins: tuple[str, ...]
    any_plugin: bool = False
    """Whether a recipe may name plugins whose options are not known."""
    within: tuple[type, ...] = ()
    """The dataclasses that are being written, from the outside in."""

    def recipe(self) -> Schema:
        """The whole schema."""
        content = self.table(Recipe)
        names = {"enum": list(self.plugins)} if self.plugins else NOTHING
        if self.any_plugin:
            names = {"type": "string"}
        content["properties"]["plugins"]["items"] = names
        # Datasets stand in [data] itself, beside its other keys; exporters in no recipe.
        hooks = [hook for hook in VERBS if hook not in ("tlf_datasets", "tlf_exporters")]
        parts = {_short(hook): self.offered(hook) for hook in hooks}
        return {"$schema": DIALECT, "title": "A recipe of tlf", **content, "$defs": parts}

    def table(self, cls: type) -> Schema:
        """A dataclass as a table of its options, or as whatever else may stand for it."""
        if cls in self.within:
            return {}  # it holds its like, without an end
        inside = replace(self, within=(*self.within, cls))
        kind = inline_kind(cls)
        return inside._beside(cls, kind) if kind else inside._object(cls, options(cls))

    def offered(self, hook: str) -> Schema:
        """Every component of a hook: by its kind alone, or as a table with options."""
        known = [choice for offer in self._offers(hook) for choice in self.choices(offer, {})]
        return _one_of([*known, *([_A_PLUGINS_KIND, _A_PLUGINS_TABLE] if self.any_plugin else [])])

    def _offers(self, hook: str) -> list[Offer]:
        return list(self.catalogue.of(hook).values())

    def choices(self, offer: Offer, beside: Schema) -> list[Schema]:
        """A component's kind alone, if that is enough, and a table of its options."""
        kind = {"const": offer.kind, **_text(described(offer.component))}
        table = self._component(offer, {"kind": kind}, beside)
        table.pop("description", None)  # its kind says it
        return [kind, table] if table["required"] == ["kind"] else [table]

    def _component(self, offer: Offer, kind: Schema, beside: Schema) -> Schema:
        """A component's options, behind its kind and before keys that are the engine's own."""
        inside = replace(self, within=(*self.within, offer.component))
        own = inside._object(offer.component, readable_options(offer.component, repr(offer.kind)))
        own["properties"] = kind | own["properties"] | beside
        if required := [*kind, *own.get("required", ())]:
            own["required"] = required
        return own

    def _beside(self, cls: type, kind: Kind) -> Schema:
        """A table in which a component's options stand beside other keys."""
        own = self._object(cls, {n: o for n, o in options(cls).items() if not kind_of(o[1])})
        content = _one_of(
            [
                *(
                    choice
                    for offer in self._offers(kind.hook)
                    for choice in self.choices(offer, own["properties"])
                ),
                *([_A_PLUGINS_TABLE] if self.any_plugin else []),
            ]
        )
        return _text(described(cls)) | content

    def _object(self, cls: type, known: Mapping[str, tuple[Field[Any], Any]]) -> Schema:
        texts = field_texts(cls)
        properties = {
            name: {
                **_text(texts.get(name, "")),
                **self._default(item, hint),
                **self.value(hint),
                **_ADDED.get((cls, name), {}),
                **_text(texts.get(name, "")),  # says more here than the text of its class
            }
            for name, (item, hint) in known.items()
        }
        required = [
            name
            for name, (item, hint) in known.items()
            if _is_required(item, hint) and (cls, name) not in _FILLED_IN
        ]
        return {
            **_text(described(cls)),
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

    def _default(self, item: Field[Any], hint: object) -> Schema:
        kind = kind_of(hint)
        if kind and kind.default:
            return {"default": kind.default}
        try:
            made = item.default
            if item.default_factory is not MISSING:
                made = item.default_factory()
            if made is MISSING or made is None:
                return {}
            return {"default": json.loads(dumps(written(made, hint, self.catalogue)))}
        except (TypeError, ValueError, PluginError):  # nothing that TOML could say
            return {}

    def value(self, hint: object) -> Schema:
        """What fits a type: the counterpart of ``Reader.value``."""
        kind = kind_of(hint)
        if kind:
            return self._components(kind)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in UNIONS:
            members = [self.value(member) for member in arguments if member is not NoneType]
            return members[0] if len(members) == 1 else {"anyOf": members}
        if isinstance(hint, type) and is_dataclass(hint):
            return self.table(hint)
        if origin in LISTS:
            return self._list(hint)
        if origin in TABLES:
            return {"type": "object", "additionalProperties": self.value(arguments[1])}
        return json_schema(hint)

    def _components(self, kind: Kind) -> Schema:
        one: Schema = {"$ref": f"#/$defs/{_short(kind.hook)}"}
        if kind.many:
            return {"anyOf": [one, {"type": "array", "items": one}]}
        offer = self.catalogue.of(kind.hook).get(kind.default) if kind.default else None
        # Without a kind a table holds options of the default.
        return {"anyOf": [one, self._component(offer, {}, {})] if offer else [one]}

    def _list(self, hint: object) -> Schema:
        arguments = get_args(hint)
        if not fixed(hint):
            return {"type": "array", "items": self.value(arguments[0])}
        count = len(arguments)
        items = [self.value(item) for item in arguments]
        return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}


def _is_required(item: Field[Any], hint: object) -> bool:
    kind = kind_of(hint)
    missing = item.default is MISSING and item.default_factory is MISSING
    return missing and not (kind and kind.default)


def _one_of(choices: Iterable[Schema]) -> Schema:
    listed = list(choices)
    return {"oneOf": listed} if listed else NOTHING


def _short(hook: str) -> str:
    return hook.removeprefix("tlf_")


def _text(text: str) -> Schema:
    return {"description": text} if text else {}
