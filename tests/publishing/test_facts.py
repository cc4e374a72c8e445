"""What the folder of a run says about its model."""

import json
import shutil
from dataclasses import asdict, replace

import pytest

import tlf as package
from tlf.errors import RunError
from tlf.evaluation.looks import Look, count_look
from tlf.evaluation.models import sha256_of
from tlf.publishing import facts as module
from tlf.publishing.card.card import make_card
from tlf.publishing.card.usage import Place
from tlf.publishing.facts import read_facts

LOOK = Look("2026-11-27T10:00:00+00:00", "tlf evaluate", None, 9, "b")


def write_evaluations(run, **contents):
    """Write the file of each evaluation into a run."""
    for name, about in contents.items():
        (run / "evaluations" / name).mkdir(parents=True)
        (run / "evaluations" / name / "evaluation.json").write_text(json.dumps(about))


def test_train_images_are_counted_where_they_are_still_there(run_copy, images, tmp_path):
    facts = read_facts(run_copy)
    assert facts.trained == {"circles": 10, "squares": 10}
    assert (facts.name, facts.data_name) == ("run", images.name)
    recipe = run_copy / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(images), str(tmp_path / "gone")))
    assert read_facts(run_copy).trained is None


def test_images_that_may_be_elsewhere_are_not_listed(run_copy, monkeypatch):
    """Listing them would ask a server, of which nobody who writes a card knows."""
    monkeypatch.setattr(module, "is_on_disk", lambda dataset: False)
    monkeypatch.setattr(module, "find_splits", lambda plan: pytest.fail("images were listed"))
    assert read_facts(run_copy).trained is None


def test_the_first_look_that_was_kept_is_the_one_that_counts(run_copy):
    looks = (LOOK, LOOK)
    assert module._tested(run_copy, looks, 9) is None
    own = {"model_sha256": sha256_of(run_copy), "images": 9, "test_split": True}
    first = {"looks": [asdict(LOOK)], "doubts": [f"7 are in {run_copy}'s train split"]}
    write_evaluations(
        run_copy,
        other={**own, "model_sha256": "another", "looks": [1]},
        second={**own, "looks": [1, 2]},
        first={**own, **first},
    )
    found = module._tested(run_copy, looks, 9, (str(run_copy),))
    (kept,) = found.figures["looks"]
    assert (kept["at"], found.looks) == (LOOK.at, looks)
    assert "command" not in kept  # it may name any folder
    assert found.figures["doubts"] == ["7 are in run's train split"]
    (run_copy / "evaluations" / "first" / "evaluation.json").write_text("{")
    with pytest.raises(RunError, match=r"evaluation\.json is damaged"):
        module._tested(run_copy, looks, 9)


def test_other_images_with_a_test_image_among_them_are_not_the_test_split(
    run_copy, images, tmp_path
):
    """They count as a look, but their figures are not those of the test split."""
    own, other = (shutil.copytree(images, tmp_path / name) for name in ("own", "other"))
    shutil.copytree(own / "val", own / "final")
    shutil.copytree(own / "train", other / "final")
    mixed = shutil.copytree(images / "train", tmp_path / "mixed")
    shutil.copy(own / "final/circles/odd.jpg", mixed / "squares")
    recipe = run_copy / "recipe.toml"
    text = recipe.read_text().replace("[data]\n", '[data]\ntest = "final"\n', 1)
    recipe.write_text(text.replace(str(images), str(own)))
    package.write_evaluation(package.evaluate(run_copy, mixed))
    changed = package.evaluate(run_copy, overrides=[f"data.root={other}"], split="test")
    package.write_evaluation(changed)
    facts = read_facts(run_copy)
    assert (len(facts.looks), facts.tested) == (2, None)
    assert "its figures were not kept" in str(make_card(facts, Place()))
    real = package.evaluate(run_copy, split="test")
    package.write_evaluation(real)
    found = read_facts(run_copy).tested
    assert found.figures["images"] == real.evaluation.images == 11
    assert found.figures["data"] == "the test split of run"
    assert (found.figures["test_split"], len(found.looks)) == (True, 3)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, True),
        ({"test_split": False}, False),
        ({"looks": [asdict(replace(LOOK, under="mixed"))]}, False),
        ({"looks": [asdict(replace(LOOK, images=1))]}, False),
        ({"data": "the test split of runs/b with changed data"}, False),
    ],
)
def test_an_evaluation_of_an_earlier_version_has_no_mark(run_copy, changes, kept):
    old = {"model_sha256": sha256_of(run_copy), "data": "the test split of runs/b"}
    write_evaluations(run_copy, test={**old, "looks": [asdict(LOOK)], **changes})
    assert (module._tested(run_copy, (LOOK,), 9) is not None) == kept


@pytest.mark.parametrize(
    ("under", "shown"),
    [
        ("/home/me/secret/mixed", "mixed"),
        ("/home/me/my secret/mixed, split val", "mixed, split val"),
        ("the eval split of {run} with changed data", "the eval split of run with changed data"),
    ],
)
def test_no_folder_of_images_that_were_a_look_is_told(run_copy, under, shown):
    count_look(run_copy, replace(LOOK, under=under.format(run=run_copy)))
    facts = read_facts(run_copy)
    assert [look.under for look in facts.looks] == [shown]
    assert f"test split of the run: {shown} counts as a look." in str(make_card(facts, Place()))


def test_a_run_that_has_no_model_is_refused(run_copy, tmp_path):
    with pytest.raises(RunError, match="is not the folder of a run"):
        read_facts(tmp_path)
    (run_copy / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"has written no model yet; .*tlf stop .*tlf resume"):
        read_facts(run_copy)
    shutil.copy(run_copy / "head.safetensors", run_copy / "model.safetensors")
    (run_copy / "predictions.csv").unlink()
    with pytest.raises(RunError, match=r"predictions\.csv"):
        read_facts(run_copy)
