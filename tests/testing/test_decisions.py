"""check_training_step and check_select_best: whole functions pass, and broken rules are named."""

import pytest

from broken import decisions as broken
from tlf.testing import check_select_best, check_training_step


def test_whole_functions_pass():
    check_training_step(broken.whole_step)
    check_training_step(lambda: None)
    check_select_best(broken.whole_best)
    check_select_best(lambda: None)


@pytest.mark.parametrize("name", broken.STEPS)
def test_a_broken_rule_of_a_training_step_is_named(name):
    broken.STEPS.assert_named(name, check_training_step)


@pytest.mark.parametrize("name", broken.BEST)
def test_a_broken_rule_of_a_choice_is_named(name):
    broken.BEST.assert_named(name, check_select_best)
