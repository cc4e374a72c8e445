"""What loaded plugins offer: every component that a recipe can name, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Plugin:
    """A plugin that is loaded."""

    name: str
    """The name of its entry point; ``tlf`` for the components that come with tlf."""
    distribution: str
    version: str


@dataclass(frozen=True)
class Offer:
    """A component that a recipe can name: its kind, its class, and the plugin that offers it."""

    hook: str
    """The hook it came through, such as ``tlf_heads``."""
    kind: str
    """Its name in a recipe: ``linear``, or ``plugin:name`` for one of another plugin."""
    component: type
    plugin: Plugin


@dataclass(frozen=True)
class Catalogue:
    """Everything that a recipe can name."""

    offers: tuple[Offer, ...]

    def of(self, hook: str) -> Mapping[str, Offer]:
        """Kind → offer, for one component hook."""
        return {offer.kind: offer for offer in self.offers if offer.hook == hook}

    def offer(self, component: object) -> Offer:
        """The offer that ``component`` was made from."""
        return next(offer for offer in self.offers if offer.component is type(component))
