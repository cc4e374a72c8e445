"""Find a network's tensors in a file of weights: under which name they stand, whatever wraps them.

A file may hold several networks, such as an average beside the weights, each under a key of the
file and under a prefix of names: ``state_dict`` and ``model._orig_mod.conv1.weight``. Both together
are the place of a network: ``state_dict.model._orig_mod``.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlf.errors import WeightsError, nearest

if TYPE_CHECKING:
    from torch import Tensor

Groups = Mapping[str, Mapping[str, "Tensor"]]
"""Key of a file, such as ``state_dict`` or ``ema.module``; ``""`` at its top → its tensors."""

FIRST = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema", "teacher"),
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network"),
    *("encoder_q", "online_network", "online_encoder", "student"),
)
"""Words of places. Of several networks that fit, the one whose word stands first here is taken:
averages before what they average, as timm does. Then comes the top of the file, then all others as
the file has them."""

WRAPPERS = ("module", "_orig_mod")
"""Words that torch adds: data-parallel training and compilation."""

COUNTER = "num_batches_tracked"
"""The end of the names of BatchNorm's counters, which files from older versions of torch lack."""

SHOWN = 3
"""How many names a message shows."""


@dataclass(frozen=True)
class Match:
    """The tensors of a file that a network takes."""

    tensors: "Mapping[str, Tensor]"
    """Name → tensor, as the network names them, if the file has all of its names."""
    notes: tuple[str, ...] = ()
    """What was removed from the names, and what stands beside the tensors: one sentence each."""


def match(groups: Groups, own: Collection[str], key: str = "") -> Match:
    """The tensors under the place that has all names of a network; without such a place, the
    file's first tensors.

    >>> match({"state_dict": {"model.fc.bias": 0, "loss.w": 1}}, ["fc.bias"]).tensors
    {'fc.bias': 0}

    Parameters:
        groups: the tensors of the file.
        own: the names of the network's parameters and buffers.
        key: words of the place that a person chose, or ``""``.

    Raises:
        WeightsError: nothing is stored under the key.
    """
    needed = {name for name in own if not name.endswith(COUNTER)}
    found = Counter(_places(groups, needed))
    if key:
        groups, found = _chosen(groups, found, key)
    whole = sorted((p for p, count in found.items() if count == len(needed)), key=_rank)
    if whole:
        taken, *beside = whole
        return Match(_under(groups, taken), _notes(groups, taken, beside))
    # The most names, if they are many: a file of another size or version has its own beside them.
    most = max(found, key=lambda place: found[place], default=None)
    if most and 2 * found[most] > len(needed):
        return Match(_under(groups, most), _notes(groups, most, []))
    return Match(first(groups))


def first(groups: Groups) -> "dict[str, Tensor]":
    """The tensors that stand first, without the prefixes that torch adds to all of their names."""
    tensors = dict(groups[min(groups, key=lambda key: _rank((key, "")))]) if groups else {}
    while any(all(name.startswith(f"{word}.") for name in tensors) for word in WRAPPERS if tensors):
        tensors = {name.partition(".")[2]: tensor for name, tensor in tensors.items()}
    return tensors


def listed(label: str, names: list[str]) -> list[str]:
    """The number of names and the first few of them.

    >>> listed("missing", ["a", "b", "c", "d", "e"])
    ['5 missing: a, b, c and 2 more']
    """
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{len(names)} {label}: {', '.join(names[:SHOWN])}{more}"]


def shown(text: str, longest: int = 80) -> str:
    """A text from a file for a message: control characters are escaped, and it is cut."""
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


def shape(tensor: "Tensor") -> str:
    """A tensor's shape for a message."""
    return re.sub(r",\)", ")", str(tuple(tensor.shape)))


_Place = tuple[str, str]
"""The key of a group, and the prefix of names in it, with its dot."""


def _places(groups: Groups, needed: Collection[str]) -> Iterator[_Place]:
    """The place of each tensor whose name ends in a name of the network."""
    longest = max(map(len, needed), default=0)
    for key, tensors in groups.items():
        for name in tensors:
            # Nothing longer can be a name of the network: a file may have names of any length.
            start = 0 if len(name) <= longest else name.find(".", len(name) - longest - 1) + 1 or -1
            while start >= 0:
                if name[start:] in needed:
                    yield key, name[:start]
                start = name.find(".", start) + 1 or -1


def _chosen(groups: Groups, found: Counter[_Place], key: str) -> tuple[Groups, Counter[_Place]]:
    """What stands under a key, of a file's groups and of its places."""
    places = {place: count for place, count in found.items() if _within(_path(place), key)}
    inside = {name: tensors for name, tensors in groups.items() if _within(name, key)}
    if not places and not inside:
        paths = sorted({shown(_path(place)) for place in (*found, *((n, "") for n in groups))})
        known = [path for path in paths if path]
        raise WeightsError(
            f"weights_key must name what the file has, got {key!r}; "
            + (nearest(key, known) if known else "its tensors have no key: leave weights_key out")
        )
    return inside or groups, Counter(places)


def _within(path: str, key: str) -> bool:
    return f".{key.strip('.')}." in f".{path}."


def _path(place: _Place) -> str:
    """Key and prefix as one name.

    >>> _path(("state_dict", "model."))
    'state_dict.model'
    """
    return ".".join(filter(None, (place[0], place[1].removesuffix("."))))


def _rank(place: _Place) -> tuple[int, ...]:
    words = [word for word in _path(place).split(".") if word not in WRAPPERS]
    ranks = {word: number for number, word in enumerate((*FIRST, ""))}
    return tuple(ranks.get(word, len(ranks)) for word in words or [""])


def _under(groups: Groups, place: _Place) -> "dict[str, Tensor]":
    key, prefix = place
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in groups[key].items()
        if name.startswith(prefix)
    }


def _notes(groups: Groups, taken: _Place, beside: list[_Place]) -> tuple[str, ...]:
    """What was taken, and what stands beside it in the same file."""
    if taken == ("", "") and not beside:
        return ()
    note = f"the backbone takes the file's tensors under {_quoted(taken)}"
    if beside:
        others = ", ".join(_quoted(place) for place in beside)
        note += f"; those under {others} fit, too: backbone.weights_key chooses"
    ways = tuple(prefix for key, prefix in (taken, *beside) if key == taken[0])
    left = [shown(name) for name in groups[taken[0]] if not name.startswith(ways)]
    return ("; ".join([note, *listed("left out", left)]),)


def _quoted(place: _Place) -> str:
    return repr(shown(_path(place))) if _path(place) else "its top level"
