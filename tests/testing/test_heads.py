"""check_head: the built-in heads pass, and every broken rule is named."""

import pytest

from broken import heads as broken
from tlf.testing import check_head
from tlf.testing.contract import own_catalogue

BUILTIN = [
    ("linear", {"dropout": 0.2}),
    ("linear", {"bias": False}),
    ("cosine", {}),
    ("mlp", {"hidden": (8, 6), "dropout": 0.1, "norm": "layer"}),
    ("attention-pool", {}),
]


@pytest.mark.parametrize(("kind", "options"), BUILTIN, ids=lambda part: str(part)[:30])
def test_a_builtin_keeps_the_contract(kind, options):
    component = own_catalogue().of("tlf_heads")[kind].component(**options)
    check_head(component)


def test_every_builtin_is_checked():
    assert {*own_catalogue().of("tlf_heads")} == {case[0] for case in BUILTIN}


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_head)


@pytest.mark.parametrize("component", broken.WHOLES, ids=str)
def test_without_a_fault_it_passes(component):
    check_head(component)
