"""What a sweep varies, as people write it."""

import pytest

from small import TWO_PHASES, write_recipe
from tlf.errors import RecipeError
from tlf.recipe.plan import read_plan
from tlf.studies.sweep.ranges import Choices, Range, with_ranges


@pytest.fixture(scope="module")
def plan(tmp_path_factory, images):
    return read_plan(write_recipe(tmp_path_factory.mktemp("r") / "r.toml", images, TWO_PHASES))


def varied(plan, *arguments):
    return with_ranges(plan, arguments)[1]


def test_ends_that_differ_much_make_a_range_logarithmic(plan):
    lr = "phases.head.lr"
    assert varied(plan, f"{lr}=1e-4..1e-1") == (Range(lr, 1e-4, 0.1, log=True),)
    assert varied(plan, f"{lr}=0.01..0.05") == (Range(lr, 0.01, 0.05, log=False),)
    assert varied(plan, f"{lr}=0.01..0.05:log") == (Range(lr, 0.01, 0.05, log=True),)
    assert varied(plan, f"{lr}=1e-4..1e-1:linear") == (Range(lr, 1e-4, 0.1, log=False),)


def test_the_key_decides_whether_numbers_are_whole(plan):
    found = varied(plan, "phases.0.epochs=2..9", "phases.0.lr=1..9", "optimizer.momentum=0..0.9")
    assert [one.whole for one in found] == [True, False, False]


def test_choices_are_separated_by_commas_outside_of_quotes_and_brackets(plan):
    optimizer = "optimizer=sgd,{ kind = 'adamw', betas = [0.9, 0.99] }"
    base, found, overrides = with_ranges(plan, [optimizer, "phases.0.freeze=['norms', 'backbone']"])
    assert found == (Choices("optimizer", ("sgd", "{ kind = 'adamw', betas = [0.9, 0.99] }")),)
    assert overrides == ("phases.0.freeze=['norms', 'backbone']",)
    assert len(base.recipe.phases[0].freeze) == 2
    assert with_ranges(plan, ["batch_size=4,8", "cache.dir=../x..y"])[2] == ("cache.dir=../x..y",)


@pytest.mark.parametrize(
    ("task", "monitor", "key", "values", "instead"),
    [
        ("single-label", "eval_loss", "loss", "focal,cross-entropy", "eval_top1"),
        ("single-label", "train_loss", "loss.label_smoothing", "0..0.2", "eval_top1"),
        ("single-label", "train_loss", "phases.head.sampler", "shuffled,balanced", "eval_top1"),
        ("single-label", "train_loss", "transforms.augment", "none,mixup", "eval_top1"),
        ("multi-label", "eval_loss", "loss.pos_weight", "none,balanced", "eval_map"),
    ],
)
def test_a_loss_compares_no_trials_whose_losses_differ(plan, task, monitor, key, values, instead):
    given = [f"task={task}", f"{key}={values}"]
    given += ["loss=binary-cross-entropy"] if task == "multi-label" else []
    with pytest.raises(RecipeError) as error:
        varied(plan, *given, f"monitor={monitor}")
    (problem,) = error.value.problems
    assert problem == (
        f"{key}: must be the same in all trials where monitor is {monitor}, whose figures it "
        f"changes for the same model; write monitor={instead}"
    )
    assert varied(plan, *given, f"monitor={instead}")


def test_an_eval_loss_compares_trials_of_one_loss(plan):
    assert varied(plan, "sampler=shuffled,balanced", "monitor=eval_loss")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["seed=3"], "a sweep must vary something; write phases.0.lr=1e-4..1e-1"),
        (["phases.0.lr=0.1..0.001"], "begin with its lower end; write phases.0.lr=0.001..0.1"),
        (["phases.0.lr=3..3"], "two different ends; write phases.0.lr=3 for one value"),
        (["phases.0.lr=1e-4.."], "a range must be two numbers, LOW..HIGH"),
        (["phases.0.lr=1e-4..high"], "a range must be two numbers"),
        (["phases.0.lr=0..1:log"], "a logarithmic range must be above 0"),
        (["phases.0.lr=0..1"], "phases.0.lr: must be above 0, got 0"),
        (["phases.0.rate=1..2"], "phases.0.rate: unknown key"),
        (["phases.body.lr=0.1..0.2"], "phases has 2 items, counted from 0, but no body"),
        (["phases.0.epochs=1.5..3"], "phases.0.epochs: must be a whole number, got 1.5"),
        (["backbone.model=1..3"], "backbone.model: must be a string, got 1"),
        (["optimizer=sgd,"], "a choice must be a value, got none beside a comma"),
        (["optimizer=sgd,sgd"], "choices must differ, got sgd twice"),
        (["optimizer=sgd,adamv"], "no optimizer is called 'adamv'"),
        (["seed=1..5"], "seed: must be the same in all trials: tlf compare tells how much"),
        (['"seed"=1..5'], "must be the same in all trials: tlf compare tells how much"),
        (["head lr=1..5"], "the key must be names with dots between them, got 'head lr'"),
        (["data.root=a,b"], "data.root: must be the same in all trials"),
        (["phases.0.lr=0.1..0.2", "phases.head.lr=0.3"], "phases.0.lr: must be given once"),
        (["phases.0.lr=0.1..0.2", "phases.0.lr=0.3..0.4"], "phases.0.lr: must be given once"),
    ],
)
def test_what_does_not_fit_is_refused(plan, arguments, told):
    with pytest.raises(RecipeError) as error:
        with_ranges(plan, arguments)
    assert told in str(error.value)
    assert len(error.value.problems) == 1
