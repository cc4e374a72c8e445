"""check_metric: the built-in metrics pass, and every broken rule is named."""

import pytest

from broken import metrics as broken
from tlf.testing import check_metric
from tlf.testing.contract import own_catalogue


@pytest.mark.parametrize("kind", own_catalogue().of("tlf_metrics"))
def test_a_builtin_keeps_the_contract(kind):
    check_metric(own_catalogue().of("tlf_metrics")[kind].component())


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_metric)


@pytest.mark.parametrize("component", broken.SEVERAL, ids=str)
def test_a_metric_of_several_labels_keeps_the_contract(component):
    check_metric(component)


def test_a_metric_must_take_images_without_a_label():
    with pytest.raises(AssertionError, match="images without a label"):
        check_metric(broken.WITHOUT)
