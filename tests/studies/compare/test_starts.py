"""What recipes start from that are compared."""

import json
from pathlib import Path

import pytest

from small import TWO_PHASES, write_recipe
from tlf.errors import RecipeError
from tlf.recipe.plan import read_plan
from tlf.studies.compare.candidates import candidates
from tlf.studies.compare.starts import cautions


@pytest.fixture
def plans(tmp_path, images, finished):
    """A recipe that starts anew, and the same from a run that has trained on 20 of 31 images."""
    recipe = write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)
    return read_plan(recipe), read_plan(recipe, [f"start_from={finished}"])


def test_a_recipe_that_remembers_the_images_that_judge_it_is_refused_beside_one_that_does_not(
    plans, finished
):
    chosen = candidates(plans, folds=2)
    told = rf"starts from {finished}: that run has trained on 20 of the 31; leave --folds out, or"
    with pytest.raises(RecipeError, match=told):
        list(cautions(chosen))


def test_where_all_start_from_such_a_run_it_is_said(plans, finished, tmp_path, images):
    other = read_plan(
        write_recipe(tmp_path / "other.toml", images, "seed = 9\n" + TWO_PHASES),
        [f"backbone.weights={finished}"],
    )
    chosen = candidates([plans[1], other], folds=2)
    assert list(cautions(chosen)) == [
        f"all recipes start from {finished}, which has trained on 20 of the 31 images that judge "
        "them: all figures are too high"
    ]


def test_starts_that_have_seen_equally_many_are_comparable(plans, finished, run_copy):
    other = read_plan(Path(plans[0].source), [f"start_from={run_copy}", "seed=1"])
    told = list(cautions(candidates([plans[1], other], folds=2)))
    assert [text.partition(", which")[0] for text in told] == [
        f"recipe starts from {finished}", f"recipe-2 starts from {run_copy}"
    ]  # fmt: skip


def test_eval_images_that_the_run_has_held_out_are_no_reason(plans):
    assert list(cautions(candidates(plans))) == []


def test_runs_before_that_run_count_and_images_that_are_gone_do_not(
    plans, run_copy, finished, tmp_path, images
):
    recipe, path = run_copy / "recipe.toml", run_copy / "provenance.json"
    recipe.write_text(recipe.read_text().replace(str(images), str(tmp_path / "gone")))
    started = {"started_from": [{"key": "start_from", "folder": str(finished)}]}
    path.write_text(json.dumps(json.loads(path.read_text()) | started))
    later = read_plan(Path(plans[0].source), [f"start_from={run_copy}"])
    with pytest.raises(RecipeError, match=rf"which starts from {finished}: .* 20 of the 31"):
        list(cautions(candidates([plans[0], later], folds=2)))
