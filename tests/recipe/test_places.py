"""Where a recipe says what, and what to write to use a component."""

import tomllib

import pytest

from tlf.plugins.loading import load_plugins
from tlf.recipe.places import places, usage

OFFERS = load_plugins([]).catalogue.offers


def test_every_component_has_a_place():
    taken = {place.kind.hook for place in places() if place.kind}
    assert {offer.hook for offer in OFFERS} <= taken


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: f"{offer.hook}-{offer.kind}")
def test_what_is_to_be_written_is_toml_at_its_place(offer):
    line, _, table = usage(offer).partition(" in ")
    ((key, value),) = tomllib.loads(f"{table}\n{line.replace('…', '1')}").items()
    if table:
        assert f"[{key}]" in table
        (value,) = (value[0] if isinstance(value, list) else value).values()
    assert offer.kind in (value, value["kind"] if isinstance(value, dict) else None)
