"""check_dataset: a folder of images passes, and every broken rule is named."""

import pytest

from broken import datasets as broken
from tlf.testing import check_dataset
from tlf.testing.contract import own_catalogue


def test_a_folder_of_images_keeps_the_contract(images):
    folder = own_catalogue().of("tlf_datasets")["folder"].component
    check_dataset(folder(root=str(images)))


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_dataset)


@pytest.mark.parametrize("component", broken.WHOLES, ids=str)
def test_without_a_fault_it_passes(component):
    check_dataset(component)
