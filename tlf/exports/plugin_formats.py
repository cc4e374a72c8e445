"""The formats that plugins offer: ``tlf export RUN --to PLUGIN:NAME``."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tlf.catalogue import Offer
from tlf.components import Exporter
from tlf.errors import PluginError, nearest
from tlf.exports.formats import Compute, Format, Source
from tlf.plugins.attribution import blame
from tlf.plugins.loading import load_plugins
from tlf.plugins.returned import checked_logits

HOOK = "tlf_exporters"


def plugin_format(to: str) -> Format:
    """The format that a plugin calls ``PLUGIN:NAME``.

    Raises:
        PluginError: the plugin is not installed or broken, or offers no such format.
    """
    offers = load_plugins([to.partition(":")[0]]).catalogue.of(HOOK)
    if to not in offers:
        advice = nearest(to, [*offers]) if offers else "its plugin offers none"
        raise PluginError(f"there is no format {to!r}; {advice}; tlf plugins lists what they offer")
    return as_format(offers[to])


def as_format(offer: Offer) -> Format:
    """An exporter in the form of tlf's own formats. Its errors name its plugin."""
    exporter: Exporter = offer.component()
    load = getattr(exporter, "load", None)
    compute = None if load is None else _Loading(offer, load).compute
    return Format(exporter.file, _Writing(offer, exporter).write, compute)


@dataclass(frozen=True)
class _Writing:
    offer: Offer
    exporter: Exporter

    def write(self, source: Source, path: Path) -> None:
        """Write the file, and no other: the others would be lost."""
        # Of a copy: what is written is compared with the model as it was. Its weights lie as those
        # of any new network do, for libraries that store them as they lie.
        model = deepcopy(source.classifier.model).to(memory_format=torch.contiguous_format)
        with blame(self.offer, "write"):
            about = source.classifier
            self.exporter.write(model, about.labels, about.preprocessing, path)
            found = sorted(file.name for file in path.parent.iterdir())
            if found != [path.name] or not path.is_file():
                raise ValueError(
                    f"write must write one file, {path.name}, got {', '.join(found) or 'none'}"
                )


@dataclass(frozen=True)
class _Loading:
    offer: Offer
    load: Callable[[Path], Compute]

    def compute(self, source: Source, path: Path) -> Compute:
        """Load the file; give what computes logits with it."""
        with blame(self.offer, "load"):
            loaded = self.load(path)
        classes = len(source.classifier.labels)

        def compute(images: Tensor) -> Tensor:
            with blame(self.offer, "load"):
                return checked_logits(loaded(images), len(images), classes)

        return compute
