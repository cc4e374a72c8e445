"""check_loss: the built-in losses pass, and every broken rule is named."""

import pytest

from broken import losses as broken
from tlf.testing import check_loss
from tlf.testing.contract import own_catalogue

BUILTIN = [
    (
        "cross-entropy",
        {"label_smoothing": 0.1, "class_weights": "balanced", "logit_adjustment": 0.5},
    ),
    ("focal", {}),
    ("binary-cross-entropy", {"pos_weight": "balanced"}),
    ("asymmetric", {}),
    ("sigmoid-focal", {}),
]


@pytest.mark.parametrize(("kind", "options"), BUILTIN, ids=lambda part: str(part)[:30])
def test_a_builtin_keeps_the_contract(kind, options):
    component = own_catalogue().of("tlf_losses")[kind].component(**options)
    check_loss(component)


def test_every_builtin_is_checked():
    assert {*own_catalogue().of("tlf_losses")} == {case[0] for case in BUILTIN}


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_loss)
