"""check_optimizer: the built-in optimizers pass, and every broken rule is named."""

import pytest

from broken import optimizers as broken
from tlf.testing import check_optimizer
from tlf.testing.contract import own_catalogue

BUILTIN = [
    ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("adam", {}),
    ("adamw", {}),
    ("timm", {"name": "lion"}),
]


@pytest.mark.parametrize(("kind", "options"), BUILTIN, ids=lambda part: str(part)[:30])
def test_a_builtin_keeps_the_contract(kind, options):
    component = own_catalogue().of("tlf_optimizers")[kind].component(**options)
    check_optimizer(component)


def test_every_builtin_is_checked():
    assert {*own_catalogue().of("tlf_optimizers")} == {case[0] for case in BUILTIN}


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_optimizer)


@pytest.mark.parametrize("component", broken.WHOLES, ids=str)
def test_without_a_fault_it_passes(component):
    check_optimizer(component)
