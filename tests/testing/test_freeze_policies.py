"""check_freeze_policy: the built-in policies pass, and every broken rule is named."""

import pytest

from broken import freeze_policies as broken
from tlf.testing import check_freeze_policy
from tlf.testing.contract import own_catalogue

BUILTIN = [
    ("nothing", {}),
    ("backbone", {}),
    ("up-to", {"stage": "layer2"}),
    ("all-but-last", {}),
    ("only", {"stages": ("stem", "blocks.2")}),
    ("matching", {"pattern": r"\.bias$"}),
    ("norms", {}),
    ("gradual", {}),
    ("plateau", {"patience": 1}),
    ("alternate", {}),
]


@pytest.mark.parametrize(("kind", "options"), BUILTIN, ids=lambda part: str(part)[:30])
def test_a_builtin_keeps_the_contract(kind, options):
    component = own_catalogue().of("tlf_freeze_policies")[kind].component(**options)
    check_freeze_policy(component)


def test_every_builtin_is_checked():
    assert {*own_catalogue().of("tlf_freeze_policies")} == {case[0] for case in BUILTIN}


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_freeze_policy)
