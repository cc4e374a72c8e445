"""Build frozen dataclasses from the tables of a recipe, and collect every problem."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin

from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.errors import MOST_LISTED, PluginError, RunError, nearest
from tlf.plugins.tracebacks import reason
from tlf.recipe.paths import with_absolute_paths
from tlf.recipe.tables import Kind, dataclass_in, folded, inline_kind, kind_of, readable_options
from tlf.recipe.values import (
    LISTS,
    TABLES,
    UNIONS,
    Problem,
    expected,
    fit,
    fixed,
    join,
    misfit,
    shown,
)

MOST_COMPONENTS = 100
"""A list names so many components at most."""


@dataclass(frozen=True)
class Reader:
    """Builds dataclasses from tables, and collects problems instead of stopping at the first."""

    catalogue: Catalogue
    problems: list[Problem] = field(default_factory=list)

    def table(self, cls: type, table: object, path: str, source: "_Source | None" = None) -> object:
        """Build a dataclass from a table; ``None`` if there were problems."""
        before = len(self.problems)
        source = source or _Source()
        known, given = source.options(cls), folded(cls, table)
        self._check_keys(known, given, path, source)
        values = {}
        for name, (_, hint) in known.items():
            kind = kind_of(hint)
            if name in given or (kind and kind.default):
                where = path if kind and kind.beside else join(path, name)
                values[name] = self.value(hint, given.get(name, kind and kind.default), where)
        try:
            values = with_absolute_paths(cls, values)
        except RunError as error:
            self._note(Problem(path, str(error)))
        return self._built(cls, values, path, source) if len(self.problems) == before else None

    def component(self, offer: Offer, options: Mapping[str, Any]) -> object:
        """Build a component from its options; ``None`` if there were problems."""
        return self.table(offer.component, dict(options), "", _Source(offer))

    def value(self, hint: object, raw: object, path: str) -> object:
        """Build what a type needs from a value; ``None`` if there were problems."""
        kind = kind_of(hint)
        if kind:
            return (self._components if kind.many else self._component)(kind, raw, path)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in UNIONS:
            return self._either(hint, raw, path)
        if (
            isinstance(hint, type)
            and is_dataclass(hint)
            and (isinstance(raw, dict) or inline_kind(hint))
        ):
            return self.table(hint, raw, path)
        if origin in LISTS and isinstance(raw, list):
            return self._items(hint, raw, path)
        if origin in TABLES and isinstance(raw, dict):
            return {key: self.value(arguments[1], raw[key], join(path, key)) for key in raw}
        if is_dataclass(hint) or origin in LISTS or origin in TABLES:
            return self._note(misfit(hint, raw, path))
        fitted, problems = fit(hint, raw, path)
        self.problems.extend(problems)
        return fitted

    def _note(self, problem: Problem) -> object:
        """Collect a problem; gives None, in place of the value."""
        self.problems.append(problem)
        return None

    def _check_keys(
        self, known: Mapping[str, Any], given: Mapping[str, Any], path: str, source: "_Source"
    ) -> None:
        unknown = [name for name in given if name not in known]
        for name in unknown[:MOST_LISTED]:
            names = [*known, *source.beside]
            below = "" if path or source.offer else self._below(name, known)
            # Where it stands is known: there is nothing to guess.
            advice = nearest("" if below else name, names) if names else "it has none"
            advice = f"{below}{advice}{self._elsewhere(name, source)}"
            self._note(Problem(join(path, name), f"unknown {source.owned}; {advice}"))
        if (more := len(unknown) - MOST_LISTED) > 0:
            self._note(Problem(path, f"{more:,} more unknown keys"))
        for name, (item, hint) in known.items():
            kind = kind_of(hint)
            optional = item.default is not MISSING or item.default_factory is not MISSING
            if name not in given and not optional and not (kind and kind.default):
                self._note(Problem(join(path, name), self._missing(hint, source)))

    def _elsewhere(self, name: str, source: "_Source") -> str:
        """Which other components of the same kind have this option."""
        offers = self.catalogue.of(source.offer.hook).values() if source.offer else ()
        kinds = [o.kind for o in offers if name in (item.name for item in fields(o.component))]
        return f"; it is an option of {', '.join(map(repr, kinds))}" if kinds else ""

    def _below(self, name: str, known: Mapping[str, Any]) -> str:
        """Which tables and components have this key, instead of the top level."""
        places = []
        for key, (_, hint) in known.items():
            inner = dataclass_in(hint)
            kind = kind_of(hint) or (inline_kind(inner) if inner else None)
            offers = self.catalogue.of(kind.hook).values() if kind else ()
            tables = [*([inner] if inner else []), *(offer.component for offer in offers)]
            if any(name in (item.name for item in fields(table)) for table in tables):
                inside = join(key, 0) if get_origin(hint) in LISTS else key
                places.append(join(inside, name))
        return f"write {' or '.join(places)}; " if places else ""

    def _missing(self, hint: object, source: "_Source") -> str:
        inner = dataclass_in(hint)
        kind = kind_of(hint) or (inline_kind(inner) if inner else None)
        if kind:
            return f"missing; its kind must be one of: {', '.join(self._known(kind))}"
        return f"missing; {source.name} needs {expected(hint)}"

    def _known(self, kind: Kind) -> list[str]:
        return sorted(self.catalogue.of(kind.hook))

    def _built(self, cls: type, values: dict[str, Any], path: str, source: "_Source") -> object:
        try:
            return cls(**values)
        except ValueError as error:
            return self._note(Problem(path, str(error)))
        except Exception as error:
            why = reason(error, cls.__module__)
            raise PluginError(f"{path}: {source.name} cannot be built: {why}") from error

    def _components(self, kind: Kind, raw: object, path: str) -> tuple[Any, ...]:
        if isinstance(raw, list) and len(raw) > MOST_COMPONENTS:
            self._note(Problem(path, f"must have at most {MOST_COMPONENTS}, got {len(raw):,}"))
            return ()
        if isinstance(raw, list):
            return tuple(self._component(kind, item, join(path, i)) for i, item in enumerate(raw))
        return (self._component(kind, raw, path),)

    def _component(self, kind: Kind, raw: object, path: str) -> object:
        table = raw if isinstance(raw, dict) else {"kind": raw}
        name = table.get("kind", None if kind.many else kind.default)
        where = join(path, "kind") if isinstance(raw, dict) else path
        offer = self.catalogue.of(kind.hook).get(name) if isinstance(name, str) else None
        if offer is None:
            return self._note(Problem(where, self._unknown(kind, name, raw)))
        rest = {key: value for key, value in table.items() if key != "kind"}
        return self.table(offer.component, rest, path, _Source(offer, kind.beside))

    def _unknown(self, kind: Kind, name: object, raw: object) -> str:
        known = self._known(kind)
        if name is None:
            return f"missing; must be one of: {', '.join(known)}"
        if not isinstance(name, str):
            table = "" if isinstance(raw, dict) else " or a table with kind and options"
            return f"must be a kind in quotes{table}, got {shown(name)}"
        plugin, colon, bare_name = name.partition(":")
        loaded = {offer.plugin.name: offer.plugin for offer in self.catalogue.offers}
        if colon and plugin in loaded:
            owner = f"plugin {plugin!r} ({_version(loaded[plugin])})"
            return f"{owner} offers no {kind.noun} {bare_name!r}; {nearest(name, known)}"
        source = f", and no plugin {plugin!r} is loaded" if colon else ""
        return f"no {kind.noun} is called {name!r}{source}; {nearest(name, known)}"

    def _items(self, hint: object, raw: list[object], path: str) -> object:
        arguments = get_args(hint)
        if not fixed(hint):
            arguments = (arguments[0],) * len(raw)
        if len(arguments) != len(raw):
            return self._note(Problem(path, f"must be {expected(hint)}, got {len(raw)} of them"))
        pairs = enumerate(zip(arguments, raw, strict=True))
        values = (self.value(item, value, join(path, i)) for i, (item, value) in pairs)
        return list(values) if get_origin(hint) is list else tuple(values)

    def _either(self, hint: object, raw: object, path: str) -> object:
        members = [member for member in get_args(hint) if member is not NoneType]
        attempts = []
        for member in members:
            attempt = Reader(self.catalogue)
            built = attempt.value(member, raw, path)
            if not attempt.problems:
                return built
            attempts.append(attempt.problems)
        # "Right type, wrong value" helps more than "none of these types".
        near = [problems for problems in attempts if not _wrong_type(problems[0], path)]
        otherwise = attempts[0] if len(members) == 1 else [misfit(hint, raw, path)]
        self.problems.extend(near[0] if near else otherwise)
        return None


@dataclass(frozen=True)
class _Source:
    """Whose options a table holds: a component's, or tlf's."""

    offer: Offer | None = None
    beside: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        offer = self.offer
        return f"{offer.kind!r} ({_version(offer.plugin)})" if offer else "tlf"

    @property
    def owned(self) -> str:
        return f"option of {self.name}" if self.offer else "key"

    def options(self, cls: type) -> Mapping[str, tuple[Field[Any], Any]]:
        return readable_options(cls, self.name)


def _wrong_type(problem: Problem, path: str) -> bool:
    return problem.misfit and problem.path == path


def _version(plugin: Plugin) -> str:
    return f"{plugin.distribution} {plugin.version}"
