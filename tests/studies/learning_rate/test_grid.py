"""The rates that are tried, and what a recipe says about them."""

import tomllib
from itertools import pairwise

import pytest

from small import TWO_PHASES, write_recipe
from tlf.errors import RecipeError
from tlf.recipe.plan import read_plan
from tlf.studies.learning_rate.grid import (
    Limits,
    at_rate,
    chosen_phases,
    grid,
    limits,
    recipe_lines,
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory, images):
    rates = 'lr = { head = 0.1, "layer4.1" = 0.03 }\nlr_matching = { "bias$" = 0.02 }\n'
    text = TWO_PHASES + f'[[phases]]\nname = "table"\nepochs = 1\n{rates}'
    return read_plan(write_recipe(tmp_path_factory.mktemp("grid") / "r.toml", images, text))


def test_the_recipes_own_rate_is_in_the_middle_of_thirteen():
    rates = grid(0.00304)
    assert (len(rates), rates[6]) == (13, 0.00304)
    factors = [after / before for before, after in pairwise(rates)]
    assert all(3 <= factor <= 3.4 for factor in factors)


def test_the_recipes_own_rate_is_among_those_between_limits():
    assert len(grid(0.02, Limits(1e-3, 1.0))) == 14
    assert grid(5.0, Limits(1e-3, 1.0))[-2:] == (1.0, 5.0)
    assert max(grid(1e30)) <= 1e30


@pytest.mark.parametrize(
    ("rates", "problem"),
    [
        ((1.0, 0.1), "rates must be two, the lowest and the highest, with the lower one first"),
        ((0.1, 0.1), "with the lower one first, got 0.1 0.1; write --rates 1e-4 1"),
        ((0.1,), "rates must be two"),
        ((0.0, 1.0), "rates must be above 0"),
        ((-1.0, 1.0), "rates must be above 0"),
        ((0.1, float("inf")), "rates must be at most 1e"),
        ((0.1, float("nan")), "rates must be at most 1e"),
    ],
)
def test_limits_are_checked(rates, problem):
    with pytest.raises(RecipeError, match=problem):
        limits(rates)


def test_rates_of_a_table_keep_what_they_are_to_each_other(plan):
    head, _, table = plan.recipe.phases
    assert limits(None) is None
    assert at_rate(head, 0.1, 0.1) is head
    assert at_rate(head, 0.1, 0.032).lr == 0.032
    changed = at_rate(table, 0.1, 0.032)
    assert changed.lr == {"head": 0.032, "layer4.1": 0.0096}
    assert changed.lr_matching == {"bias$": 0.0064}
    assert tomllib.loads("\n".join(recipe_lines(changed))) == {
        "lr": changed.lr,
        "lr_matching": changed.lr_matching,
    }


def test_a_phase_is_chosen_by_its_name(plan):
    assert [phase.name for phase in chosen_phases(plan, None)] == ["head", "all", "table"]
    assert [phase.name for phase in chosen_phases(plan, "all")] == ["all"]
    with pytest.raises(RecipeError, match=r"phase must be .* got 'heat'; did you mean 'head'\?"):
        chosen_phases(plan, "heat")
