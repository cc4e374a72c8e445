"""Test images of a run that are evaluated under another name count as a look."""

import json
import shutil

import pytest

from small import HEAD_ALONE, write_recipe
from tlf.errors import RunError
from tlf.evaluation.evaluate import evaluate
from tlf.evaluation.images import source_of
from tlf.evaluation.looks import Look, read_looks
from tlf.evaluation.seen import count_seen, seen_test_images
from tlf.evaluation.summary import cautions
from tlf.recipe.plan import find_splits, read_plan
from tlf.runs.identity import _test_identity


@pytest.fixture
def own(images, tmp_path):
    return shutil.copytree(images, tmp_path / "images")


@pytest.fixture
def run(own, tmp_path):
    """The folder of a run that holds images out, as far as it is read."""
    folder = tmp_path / "run"
    folder.mkdir()
    data = f'[data]\nkind = "folder"\nroot = "{own}"\ntest = 0.2\n'
    write_recipe(folder / "recipe.toml", own, data + HEAD_ALONE)
    splits = find_splits(read_plan(folder / "recipe.toml"))
    (folder / "provenance.json").write_text(json.dumps(_test_identity(splits.test)))
    return folder


def seen(run, data, *overrides):
    return seen_test_images(run, source_of(run, data, overrides, None))


def test_copies_of_test_images_are_seen_whatever_they_are_called(run, own, tmp_path):
    test = find_splits(read_plan(run / "recipe.toml")).test
    for number, name in enumerate(test.names[1:]):
        copy = tmp_path / "other" / name.split("/")[1] / f"{number}.jpg"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(own / name, copy)
    found = seen(run, tmp_path / "other")
    assert (found.images, found.under) == (len(test) - 1, str(tmp_path / "other"))
    assert seen(run, own / "train").images == len(test)
    assert seen(run, own / "train").sha256 == found.sha256
    [look] = count_seen(run, found, "tlf evaluate")
    assert read_looks(run) == (look,)
    assert look == Look(look.at, "tlf evaluate", None, found.images, found.sha256, found.under)


def test_other_images_are_no_look(run, own):
    assert seen(run, own / "val") is None
    for name in (None, "train", "eval"):
        assert seen_test_images(run, source_of(run, None, (), name)) is None
    assert seen(run, None, "data.eval=train").images == 4


def test_nothing_is_said_of_images_that_are_gone_or_drawn_anew(run, own, tmp_path):
    other = shutil.copytree(own, tmp_path / "other")
    for number in range(20):
        shutil.copy(own / "train/circles/000.jpg", own / f"train/circles/more-{number}.jpg")
    assert seen(run, other / "train") is None
    shutil.rmtree(own)
    assert seen(run, other / "train") is None


def test_nothing_is_said_where_a_plugin_of_the_run_is_gone(run, own):
    recipe = run / "recipe.toml"
    recipe.write_text(f'plugins = ["gone"]\n{recipe.read_text()}')
    assert seen(run, own / "train") is None


def test_a_look_that_cannot_be_counted_is_refused(run, own, monkeypatch):
    monkeypatch.setattr("tlf.evaluation.looks.os.access", lambda *_: False)
    with pytest.raises(RunError, match="a look at the test split is counted in"):
        seen(run, own / "train")


def test_evaluate_counts_it_and_says_so(run_copy, images):
    recipe = run_copy / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("[data]\n", '[data]\ntest = "val"\n', 1))
    text = recipe.read_text().replace('eval = "auto"', 'eval = "train"')
    recipe.write_text(text)
    found = evaluate(run_copy, images / "val")
    assert [look.command for look in found.looks] == [
        f"tlf evaluate {run_copy} --data {images / 'val'}"
    ]
    told = [*cautions(found)]
    assert told[0].endswith(
        f"images are in the test split of the run: {images / 'val'} counts as a look."
    )
    assert told[1].startswith("The test split was looked at once")
