"""check_scheduler: the built-in schedulers pass, and every broken rule is named."""

import pytest

from broken import schedulers as broken
from tlf.testing import check_scheduler
from tlf.testing.contract import own_catalogue

BUILTIN = [
    ("constant", {"warmup": 0.2}),
    ("linear", {}),
    ("cosine", {}),
    ("step", {}),
    ("one-cycle", {}),
    ("plateau", {}),
]


@pytest.mark.parametrize(("kind", "options"), BUILTIN, ids=lambda part: str(part)[:30])
def test_a_builtin_keeps_the_contract(kind, options):
    component = own_catalogue().of("tlf_schedulers")[kind].component(**options)
    check_scheduler(component)


def test_every_builtin_is_checked():
    assert {*own_catalogue().of("tlf_schedulers")} == {case[0] for case in BUILTIN}


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_scheduler)
