"""What the folder of a run says about its model."""

import json
import shutil
from dataclasses import asdict

import pytest

from tlf.errors import RunError
from tlf.evaluation.looks import Look
from tlf.evaluation.models import sha256_of
from tlf.publishing import facts as module
from tlf.publishing.facts import read_facts


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
    look = Look("2026-11-27T10:00:00+00:00", "tlf evaluate", None, 9, "b")
    looks = (look, look)
    assert module._tested(run_copy, looks) is None
    own = {"model_sha256": sha256_of(run_copy), "images": 9}
    for name, about in {
        "other": {"model_sha256": "another", "looks": [1]},
        "second": {**own, "looks": [1, 2]},
        "first": {**own, "looks": [asdict(look)], "doubts": [f"7 are in {run_copy}'s train split"]},
    }.items():
        (run_copy / "evaluations" / name).mkdir(parents=True)
        (run_copy / "evaluations" / name / "evaluation.json").write_text(json.dumps(about))
    found = module._tested(run_copy, looks, (str(run_copy),))
    (kept,) = found.figures["looks"]
    assert (kept["at"], found.looks) == (look.at, looks)
    assert "command" not in kept  # it may name any folder
    assert found.figures["doubts"] == ["7 are in run's train split"]
    (run_copy / "evaluations" / "first" / "evaluation.json").write_text("{")
    with pytest.raises(RunError, match=r"evaluation\.json is damaged"):
        module._tested(run_copy, looks)


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
