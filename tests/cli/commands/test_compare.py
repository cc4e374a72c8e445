"""``tlf compare``: what it prints."""

from dataclasses import replace

from small import write_recipe
from tlf.cli.commands import compare as module
from tlf.metrics.figures import Figure
from tlf.metrics.paired import Difference
from tlf.studies.compare.compared import Compared, ComparedRecipe
from tlf.studies.compare.files import as_json, write_comparison


def test_a_mistake_ends_with_a_message(tmp_path, images, main):
    recipe = write_recipe(tmp_path / "a.toml", images, '[[phases]]\nname="a"\nepochs=1\nlr=0.1')
    assert main("compare", recipe, "--output", tmp_path / "out") == (
        2,
        "",
        "error: compare: 1 problem\n  recipes must be two or more, got one; write another, or "
        "--preset and a name\n",
    )


def test_it_ends_with_the_recipe_and_a_run_of_the_best(tmp_path, main, monkeypatch):
    even = Figure(0.9, 0.8, 1.0)
    recipes = (ComparedRecipe("head first", even, (0.9,), 1.0),)
    folder = tmp_path / "my runs"
    found = Compared(recipes, 10, (3, 4), 0.95, "CPU", folder)
    monkeypatch.setattr(module.tlf, "compare", lambda *_, **__: iter([found]))
    monkeypatch.setattr(module.tlf, "write_comparison", lambda one: one.folder / "compare.html")
    status, out, _ = main("compare", "a.toml", "--preset", "strategies")
    assert status == 0
    run = folder / "runs" / "head-first-seed-3"
    assert out.endswith(
        f"recipe    {run}/recipe.toml: that of head first, the first in the table\n"
        f"next      tlf report '{run}'\n"
    )
    found = replace(found, folds=5)
    _, out, _ = main("compare", "a.toml", "--folds", "5")
    assert f"{run.with_name('head-first-fold-1-seed-3')}/recipe.toml" in out
    assert "remove folds and fold from it before you train it anew\nnext" in out


def test_the_table(tmp_path):
    difference = Difference(-0.1, -0.15, -0.05, images=153, draws=10)
    recipes = (
        ComparedRecipe("thaw", Figure(0.95, 0.9, 0.98), (0.94, 0.96), 61.25),
        ComparedRecipe("probe", Figure(0.85, 0.8, 0.9), (0.84, 0.86), 4.0, difference),
    )
    text = str(Compared(recipes, 153, tuple(range(10)), 0.95, "CPU", tmp_path, "which?"))
    assert text.splitlines()[:2] == [
        "question  which?", "compared  2 recipes, 10 seeds each, on 153 eval images",
    ]  # fmt: skip
    assert "  95.0%    90.0%–98.0%     94.0–96.0%            61.2   thaw" in text
    assert "  probe: thaw is better by 10.0 points [5.0, 15.0]" in text


def test_a_figure_of_their_own_that_recipes_choose_their_epochs_by_is_told(tmp_path):
    even = Figure(0.9, 0.8, 1.0)
    by_f1 = ComparedRecipe("a", even, (0.9,), 1.0, monitor="eval_macro_f1", monitored=0.32)
    by_loss = ComparedRecipe("b", even, (0.9,), 1.0, monitor="train_loss")
    usual = ComparedRecipe("c", even, (0.9,), 1.0, monitor="eval_top1", monitored=0.9)
    told = (
        "note      recipes are compared by top-1, and choose their best epochs by a figure of "
        "their own: a by eval_macro_f1 (mean 0.32), b by train_loss"
    )
    pair = Compared((by_f1, by_loss), 10, (0,), 0.95, "CPU", tmp_path)
    assert told in str(pair)
    assert as_json(pair)["recipes"][0]["monitored"] == 0.32
    assert "which the same images have chosen" in str(pair)
    assert "their own" not in str(replace(pair, recipes=(usual,)))
    assert "which the same images have chosen" not in str(replace(pair, recipes=(by_loss,)))


def test_cautions_are_told_on_the_page_too(tmp_path):
    even = Figure(0.9, 0.8, 1.0)
    recipes = (ComparedRecipe("a", even, (0.9,), 1.0),)
    found = Compared(recipes, 10, (0,), 0.95, "CPU", tmp_path, cautions=("all are too high",))
    assert "note      all are too high" in str(found)
    assert as_json(found)["cautions"] == ["all are too high"]
    assert "All are too high" in write_comparison(found).read_text()
