"""A study from the files to the result."""

import shutil

import pytest

from small import TWO_PHASES, write_recipe
from tlf.errors import DataError, RecipeError, RunError
from tlf.events import Notice, Prepared, Stored
from tlf.studies.judged import judged_split
from tlf.studies.learning_rate import lr as module
from tlf.studies.learning_rate import range_test
from tlf.studies.learning_rate.found import HeadRates, LearningRates, RangeTest
from tlf.studies.learning_rate.lr import lr


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(range_test, "STEPS", 6)


@pytest.fixture(scope="module")
def recipe(images, tmp_path_factory):
    return write_recipe(tmp_path_factory.mktemp("lr") / "mine.toml", images, TWO_PHASES)


@pytest.fixture(scope="module")
def events(recipe):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_test, "STEPS", 6)
        return list(lr(recipe, seeds=1))


def test_each_phase_is_looked_at_in_its_own_way(events, recipe):
    *_, found = events
    assert isinstance(found, LearningRates)
    head, every = found.phases
    assert isinstance(head, HeadRates)
    assert (len(head.rates), head.own, head.images, head.seeds) == (13, 0.1, 20, (0,))
    assert isinstance(every, RangeTest)
    assert (every.trained_before, every.own) == (("head",), 0.01)
    assert found.source == str(recipe)
    assert not (recipe.parent / "run").exists()


def test_a_phase_alone_is_the_same_as_among_others(events, recipe):
    *_, found = events
    *_, alone = lr(recipe, phase="all")
    assert alone.phases == found.phases[1:]
    stored = [event for event in lr(recipe, phase="head", seeds=1) if isinstance(event, Stored)]
    assert stored
    assert all(event.reused for event in stored)


def test_a_small_class_trains_and_does_not_judge(recipe, images, tmp_path, monkeypatch):
    """It is told once, and images are dealt once, for two phases that train the head."""
    dealt = []

    def judged(split, *given):
        dealt.append(split)
        return judged_split(split, *given)

    monkeypatch.setattr(module, "judged_split", judged)
    root = shutil.copytree(images, tmp_path / "images")
    for split in ("train", "val"):
        (root / split / "lone").mkdir()
        shutil.copy(root / split / "circles" / "001.jpg", root / split / "lone" / "x.jpg")
    twice = [f"data.root={root}", "phases.all.freeze=backbone", "phases.all.epochs=1"]
    *events, found = lr(recipe, twice, rates=(0.1, 0.2), seeds=1)
    told = [event.text for event in events if isinstance(event, Notice)]
    assert (
        "class 'lone' trains the heads and does not judge them: it has 1 of the 5 different train "
        "images that folds need"
    ) in told
    assert told[-1] in found.notes
    assert len(told) == len({*told})
    assert len(dealt) == 1
    assert [phase.images for phase in found.phases] == [20, 20]
    titles = {event.title for event in events if isinstance(event, Prepared)}
    assert "decoding train images" in titles
    assert "decoding eval images" not in titles  # they are not used


def test_too_few_images_are_an_error(recipe, images, tmp_path):
    root = shutil.copytree(images, tmp_path / "images")
    for name in range(6):
        (root / "train" / "squares" / f"{name:03}.jpg").unlink()
    with pytest.raises(DataError, match="at least 2 classes with 5 different train images"):
        list(lr(recipe, [f"data.root={root}"], phase="head"))


TWO_HEADS = """
[[phases]]
name = "head"
freeze = "backbone"
epochs = 2
lr = 0.1
[[phases]]
name = "polish"
freeze = "backbone"
epochs = 1
lr = 1e-12
"""


@pytest.mark.parametrize("more", ["", "ema = 0.5\n"])
def test_a_later_head_begins_with_what_earlier_phases_have_made_of_it(images, tmp_path, more):
    """At a rate of nothing it is worth what the earlier phase has reached, fold by fold."""
    text = TWO_HEADS.replace("lr = 0.1\n", f"lr = 0.1\n{more}")
    recipe = write_recipe(tmp_path / "two.toml", images, text)
    *_, found = lr(recipe, seeds=2)
    head, polish = found.phases
    assert (head.at_once, polish.at_once) == (not more, True)
    assert (head.trained_before, polish.trained_before, polish.left_out) == ((), ("head",), ())
    (first,) = (one for one in head.rates if one.rate == head.own)
    (later,) = (one for one in polish.rates if one.rate == polish.own)
    assert later.of_seeds == first.of_seeds
    assert later.loss == pytest.approx(first.loss, rel=1e-5)
    assert "begins    after head at the rate of the recipe" in str(found)


def test_a_phase_after_one_that_trains_the_backbone_is_not_judged(images, tmp_path):
    text = f"{TWO_PHASES}[[phases]]{TWO_HEADS.rpartition('[[phases]]')[2]}"
    recipe = write_recipe(tmp_path / "three.toml", images, text)
    *_, found = lr(recipe, phase="polish", seeds=1)
    (polish,) = found.phases
    assert (polish.trained_before, polish.left_out) == (("head",), ("all",))
    assert "the recipe's lr = 1e-12 cannot be judged by this: a run trains all first" in str(found)
    assert "after head at the rate of the recipe, without all, which a run trains" in str(found)
    assert polish.lines == ()  # there is no rate to write
    assert "suggested" not in str(found)


def test_a_head_that_cannot_be_trained_first_is_told(recipe, monkeypatch):
    def breaks_off(job, *_):
        yield from ()
        job.classifier.head.weight.data.fill_(float("nan"))
        return False

    monkeypatch.setattr(module, "train_head", breaks_off)
    *events, found = lr(recipe, phase="all", rates=(1e-6, 1e-5))
    told = [event.text for event in events if isinstance(event, Notice)]
    assert told[-1].startswith("all is tested without head, whose loss is no finite number")
    assert found.phases[0].trained_before == ()
    assert found.phases[0].left_out == ("head",)


def test_mistakes_are_told(recipe, monkeypatch):
    with pytest.raises(RecipeError, match="phase must be one of the recipe, got 'top'"):
        list(lr(recipe, phase="top"))
    with pytest.raises(RecipeError, match="with the lower one first"):
        list(lr(recipe, rates=(1.0, 0.1)))
    with pytest.raises(RunError, match="seeds must be 1 or more, got 0"):
        list(lr(recipe, seeds=0))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RunError, match="must be one process, got 2"):
        list(lr(recipe))
