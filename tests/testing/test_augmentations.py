"""check_augmentation: the built-in augmentations pass, and every broken rule is named."""

import pytest

from broken import augmentations as broken
from broken import transforms
from tlf.testing import check_augmentation, check_transform
from tlf.testing.contract import own_catalogue

BUILTIN = [
    ("none", {}),
    ("crop-flip", {}),
    ("trivial-augment", {}),
    ("rand-augment", {"ops": 3}),
    ("mixup", {"alpha": 1.0}),
    ("cutmix", {}),
]


@pytest.mark.parametrize(("kind", "options"), BUILTIN, ids=lambda part: str(part)[:30])
def test_a_builtin_keeps_the_contract(kind, options):
    component = own_catalogue().of("tlf_augmentations")[kind].component(**options)
    check_augmentation(component)


def test_every_builtin_is_checked():
    assert {*own_catalogue().of("tlf_augmentations")} == {case[0] for case in BUILTIN}


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_augmentation)


@pytest.mark.parametrize("component", broken.WHOLES, ids=str)
def test_without_a_fault_it_passes(component):
    check_augmentation(component)


def test_a_transform_keeps_the_contract():
    check_transform(transforms.Whole())


@pytest.mark.parametrize("name", transforms.RULES)
def test_a_broken_rule_of_a_transform_is_named(name):
    transforms.RULES.assert_named(name, check_transform)
