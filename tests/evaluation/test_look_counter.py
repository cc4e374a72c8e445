"""What is counted before and after models are evaluated."""

import shutil

import pytest

from tlf.errors import RunError
from tlf.evaluation.evaluate import evaluate
from tlf.evaluation.images import source_of
from tlf.evaluation.look_counter import look_counter
from tlf.evaluation.looks import read_looks


@pytest.fixture
def runs(run_copy, tmp_path):
    """Two runs that hold four train images out."""
    recipe = run_copy / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("[data]\n", "[data]\ntest = 0.2\n", 1))
    return [run_copy, shutil.copytree(run_copy, tmp_path / "other")]


def test_it_knows_how_many_test_images_there_are_before_anything_is_counted(runs, images):
    def count(*given):
        return look_counter(runs, source_of(runs[0], *given)).test_images

    assert count(None, (), "test") == 4
    assert count(None, (), "train") == count(None, (), None) == 0
    assert count(images / "val", (), None) == 0
    assert [read_looks(run) for run in runs] == [(), ()]


def test_each_model_has_its_own_look(runs):
    found = evaluate(runs[0], split="test", against=runs[1])
    assert found.looks == read_looks(runs[0])
    assert found.other.looks == read_looks(runs[1])
    assert (found.test_split, found.other.test_split) == (True, False)  # not of its own recipe
    assert {look.command for look in (*found.looks, *found.other.looks)} == {
        f"tlf evaluate {runs[0]} {runs[1]} --split test"
    }


def test_the_second_run_is_checked_before_the_first_is_evaluated(runs, monkeypatch):
    monkeypatch.setattr("tlf.evaluation.looks.os.access", lambda path, _: path != runs[1])
    monkeypatch.setattr("tlf.evaluation.evaluate.load", lambda *_: pytest.fail("a model is loaded"))
    with pytest.raises(RunError, match=r"is counted in .*other, which cannot be written to"):
        evaluate(runs[0], split="test", against=runs[1])
