from dataclasses import dataclass

import pytest

from tlf.catalogue import Catalogue, Offer, Plugin

TLF = Plugin("tlf", "tlf", "0.1")
GEM = Plugin("gem", "tlf-gem", "1.2")


@dataclass(frozen=True)
class Pool:
    size: int = 1


@dataclass(frozen=True)
class OtherPool(Pool):
    pass


OFFERS = (
    Offer("tlf_heads", "pool", Pool, TLF),
    Offer("tlf_heads", "gem:pool", OtherPool, GEM),
    Offer("tlf_losses", "pool", int, TLF),
)
CATALOGUE = Catalogue(OFFERS)


def test_the_offers_of_a_hook_are_found_by_kind():
    assert CATALOGUE.of("tlf_heads") == {"pool": OFFERS[0], "gem:pool": OFFERS[1]}
    assert CATALOGUE.of("tlf_losses") == {"pool": OFFERS[2]}
    assert CATALOGUE.of("tlf_datasets") == {}


def test_the_offer_of_a_component_is_that_of_its_own_class():
    assert CATALOGUE.offer(Pool(size=7)) == OFFERS[0]
    assert CATALOGUE.offer(OtherPool()) == OFFERS[1], "not that of the class it inherits from"
    with pytest.raises(StopIteration):
        CATALOGUE.offer("text")
