"""What is checked."""

import pytest

from tlf.checks.plan import plan_to_check
from tlf.errors import RecipeError, RunError
from tlf.recipe.plan import load_recipe, with_splits


def lenient(plan):
    data = plan.recipe.data
    return data.bad_images, data.missing_in_eval, data.unknown_in_eval


def test_a_folder_needs_no_recipe(images):
    plan = plan_to_check(images)
    assert plan.recipe.data.dataset.root == str(images)
    assert plan.recipe.backbone.weights == "starter"
    assert lenient(plan) == ("skip", "allow", "skip")
    assert plan.source == str(images)


def test_overrides_name_another_backbone(images):
    plan = plan_to_check(str(images), ["backbone={kind='timm',model='test_resnet'}"])
    assert plan.recipe.backbone.model == "test_resnet"
    with pytest.raises(RecipeError, match=r"images\d*: 1 problem\n  backbon: unknown key"):
        plan_to_check(images, ["backbon.model=x"])
    with pytest.raises(RecipeError, match="backbone: must be an override, key=value"):
        plan_to_check(images, ["backbone"])


def test_a_recipe_is_checked_as_it_is_but_for_what_stops_a_run(recipe):
    for given in (recipe, str(recipe), load_recipe(recipe), plan_to_check(recipe)):
        plan = plan_to_check(given, ["data.bad_images=error"])
        assert lenient(plan) == ("skip", "allow", "skip")
        assert plan.recipe.backbone == load_recipe(recipe).backbone


def test_images_that_were_found_are_not_looked_for_again(images):
    plan = with_splits(plan_to_check(images))
    assert plan_to_check(plan) is plan
    assert plan_to_check(plan, ["seed=1"]).splits is None


def test_what_is_neither(tmp_path):
    with pytest.raises(
        RunError, match=r"^none .*is neither a recipe nor a folder of images; write"
    ):
        plan_to_check("none")
    for name in ("recipe.toml", "provenance.json"):
        (tmp_path / name).touch()
    with pytest.raises(RunError, match=r"is the folder of a run, .* tlf check \S+/recipe\.toml$"):
        plan_to_check(tmp_path)
