"""The networks that a recipe can name: their parameters, input size, and published figures."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path

from tlf.errors import TlfError, nearest
from tlf.runtime.files import cache_folder, write_whole
from tlf.runtime.strict_json import dumps

SAVED_EVERY = 50
"""Networks that are counted before the counts are stored."""


@dataclass(frozen=True)
class KnownBackbone:
    """A network that ``[backbone]`` can name."""

    kind: str
    """The library: ``torchvision`` or ``timm``."""
    model: str
    """The library's name for it."""
    family: str
    """Networks of one family are built by the same code."""
    size: int
    """Side of its input in pixels, for its default weights."""
    parameters: int | None = None
    """Their number, with the library's own classifier; None where it was not counted, or where the
    library cannot build the network."""
    accuracy: float | None = None
    """The published fraction of ImageNet-1K's images that its default weights classify correctly;
    None where the library does not publish it with its code."""
    weights: tuple[str, ...] = ()
    """Names of published weights, the default first."""

    @property
    def usage(self) -> str:
        """What to write in a recipe."""
        return f'backbone = {{ kind = "{self.kind}", model = "{self.model}" }}'


def list_backbones(pattern: str = "*", max_params: int | None = None) -> Iterator[KnownBackbone]:
    """Yield the networks of a pattern that have at most so many parameters.

    The parameters of timm's networks are counted when they are first asked for, which takes about a
    tenth of a second each. The counts are stored in tlf's cache.

    >>> import tlf
    >>> [(one.kind, one.parameters, one.accuracy) for one in tlf.list_backbones("resnet18")]
    [('torchvision', 11689512, 0.69758), ('timm', 11689512, None)]

    Parameters:
        pattern: a name, a family, or a pattern such as ``vit_*``.
        max_params: the largest number of parameters.

    Raises:
        TlfError: no network fits the pattern.
    """
    for one in counted(find_backbones(pattern)):
        if max_params is None or (one.parameters is not None and one.parameters <= max_params):
            yield one


def find_backbones(pattern: str = "*") -> tuple[KnownBackbone, ...]:
    """The networks of a pattern, with those counts of parameters that are known already.

    Raises:
        TlfError: no network fits the pattern.
    """
    counts = _stored(_file())
    timm = (replace(one, parameters=counts.get(one.model)) for one in _timm())
    every = (*_torchvision(), *timm)
    pattern = pattern.lower()  # as all names are
    exact = tuple(one for one in every if pattern in (one.model, one.family))
    found = exact or tuple(one for one in every if fnmatchcase(one.model, pattern))
    found = found or tuple(one for one in every if pattern in one.model)
    if not found:
        known = [*{one.model for one in every}]
        raise TlfError(
            f"no network is called {pattern!r:.200}; {nearest(pattern, known)}; "
            "write a pattern such as 'vit_*', or leave it out to see the families"
        )
    return found


def counted(backbones: Iterable[KnownBackbone]) -> Iterator[KnownBackbone]:
    """Count the parameters of each network that lacks them, and store the counts."""
    file = _file()
    known, new = _stored(file), 0
    try:
        for one in backbones:
            if one.kind == "timm" and one.model not in known:
                known[one.model] = _count(one.model)
                new += 1
                if new % SAVED_EVERY == 0:
                    _store(file, known)
            count = one.parameters if one.kind != "timm" else known[one.model]
            yield replace(one, parameters=count)
    finally:
        if new:
            _store(file, known)


def _file() -> Path:
    """Where counts are stored: another version of timm may build other networks."""
    return cache_folder("") / f"parameters-timm-{version('timm')}.json"


def _stored(file: Path) -> dict[str, int | None]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it is not there yet, or damaged: they are counted again
        return {}
    items = content.items() if isinstance(content, dict) else ()
    return {name: count for name, count in items if count is None or type(count) is int}


def _store(file: Path, known: dict[str, int | None]) -> None:
    with suppress(OSError):  # they are counted again
        write_whole(file, dumps(known))


def _count(model: str) -> int | None:
    """The parameters of a network of timm, which is built without memory for them."""
    import timm
    import torch

    from tlf.pretrained.skip_init import Unfilled

    try:
        with Unfilled(), torch.device("meta"):
            network = timm.create_model(model, pretrained=False)
    except Exception:  # whatever a network needs that is not there: its number is unknown
        return None
    return sum(parameter.numel() for parameter in network.parameters())


def _torchvision() -> Iterator[KnownBackbone]:
    from torchvision import models

    for model in models.list_models(module=models):
        entries = models.get_model_weights(model)
        default = entries["DEFAULT"]
        figures = default.meta.get("_metrics", {}).get("ImageNet-1K", {})
        yield KnownBackbone(
            kind="torchvision",
            model=model,
            family=_family(models.get_model_builder(model)),
            size=default.transforms().crop_size[0],
            parameters=default.meta["num_params"],
            accuracy=figures["acc@1"] / 100 if "acc@1" in figures else None,
            weights=(default.name, *(e.name for e in entries if e.name != default.name)),
        )


def _family(builder: object) -> str:
    return str(getattr(builder, "__module__", "")).rpartition(".")[2]


def _timm() -> Iterator[KnownBackbone]:
    import timm
    from timm.models import get_arch_pretrained_cfgs

    for family in timm.list_modules():
        for model in timm.list_models(module=family):
            configs = get_arch_pretrained_cfgs(model)
            sizes: Sequence[int] = next(iter(configs.values())).input_size if configs else (224,)
            tags = (
                name.partition(".")[2]
                for name, config in configs.items()
                if config.hf_hub_id or config.url
            )
            yield KnownBackbone("timm", model, family, min(sizes[1:] or sizes), weights=(*tags,))
