"""A model is evaluated on labelled images; a run's own eval split is not classified again."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

import tlf as package
from run_files import predictions
from tlf.errors import DataError, RunError
from tlf.evaluation.evaluate import evaluate
from tlf.evaluation.files import content
from tlf.evaluation.looks import read_looks
from tlf.evaluation.summary import cautions
from tlf.runtime.stored.state import UnfinishedRunWarning


@pytest.fixture
def _no_model(monkeypatch):
    """Fail where a model is loaded."""
    monkeypatch.setattr("tlf.evaluation.evaluate.load", lambda *_: pytest.fail("a model is loaded"))


def test_it_is_public():
    assert package.evaluate is evaluate


@pytest.mark.usefixtures("_no_model")
def test_the_own_eval_split_is_read_from_the_predictions(finished, images):
    found = evaluate(finished)
    rows = predictions(finished)
    assert (found.recorded, found.name, found.unknown, found.unreadable) == (True, "eval", {}, ())
    assert (found.model, found.data) == (str(finished), f"the eval split of {finished}")
    assert found.predicted.names == tuple(row["path"] for row in rows)
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert found.evaluation.headline["top1"].value == pytest.approx(right)
    assert found.read(3) == (images / rows[3]["path"]).read_bytes()
    assert evaluate(finished / "model.safetensors", split="eval").recorded


def test_computed_anew_it_gives_the_same(finished):
    recorded, computed = evaluate(finished), evaluate(finished, precision="no")
    assert not computed.recorded
    assert computed.predicted.names == recorded.predicted.names
    assert np.array_equal(
        computed.predicted.probabilities.astype(np.float32),
        recorded.predicted.probabilities.astype(np.float32),
    )
    assert computed.read(2) == pickle.loads(pickle.dumps(recorded)).read(2)


def test_a_run_without_predictions_is_evaluated_anew(run_copy):
    (run_copy / "predictions.csv").unlink()
    assert not evaluate(run_copy).recorded


def test_where_the_images_are_gone_the_predictions_are_still_there(run_copy, tmp_path):
    recipe = run_copy / "recipe.toml"
    text = recipe.read_text()
    root = next(line for line in text.splitlines() if line.startswith("root = "))
    recipe.write_text(text.replace(root, f'root = "{tmp_path}/gone"'))
    assert evaluate(run_copy).read is None
    with pytest.raises(DataError, match=r"there is no folder .*gone; set data.root to a folder"):
        evaluate(run_copy, split="train")


def test_a_stopped_run_is_evaluated_with_its_best_model_so_far(run_copy, images, monkeypatch):
    expected = evaluate(run_copy)
    for name in ("model.safetensors", "head.safetensors", "predictions.csv"):
        (run_copy / name).unlink()
    found = evaluate(run_copy)
    assert found.recorded
    assert np.array_equal(found.predicted.labels, expected.predicted.labels)
    np.testing.assert_allclose(
        found.predicted.probabilities, expected.predicted.probabilities, atol=1e-7
    )
    monkeypatch.setattr(
        "tlf.inference.stopped.state_summary", lambda _: {**_summary(run_copy), "ended": False}
    )
    with pytest.warns(UnfinishedRunWarning, match="has not ended"):
        evaluate(run_copy, images)


def _summary(folder):
    from tlf.runtime.stored.state import state_summary

    return state_summary(folder)


def test_unknown_classes_are_counted_and_missing_ones_have_no_figures(finished, images, tmp_path):
    shutil.copytree(images / "val" / "circles", tmp_path / "circles")
    shutil.copytree(images / "val" / "squares", tmp_path / "stars")
    found = evaluate(finished, tmp_path)
    assert found.unknown == {"stars": 5}
    assert found.evaluation.images == len(found.predicted) == 6
    assert found.evaluation.classes == ("circles", "squares")
    squares = found.evaluation.per_class[1]
    assert (squares.support, squares.recall.value) == (0, None)
    assert found.read(5) == (tmp_path / "circles" / "odd.jpg").read_bytes()


def test_two_images_and_one_class_are_enough(finished, images, tmp_path):
    (tmp_path / "circles").mkdir()
    for number in (0, 1):
        shutil.copy(images / f"val/circles/00{number}.jpg", tmp_path / "circles")
    found = evaluate(finished, tmp_path, tta="views=4")
    assert len(found.predicted) == 2
    assert found.tta is not None
    assert found.tta.title == "views=4"
    assert found.tta.comparison.images == 2


def test_tta_is_compared_with_the_same_model(finished):
    found = evaluate(finished, tta="flip")
    assert not found.recorded
    assert found.tta is not None
    assert found.tta.predicted.names == found.predicted.names
    change = found.tta.evaluation.headline["top1"].value - found.evaluation.headline["top1"].value
    assert found.tta.comparison.top1.value == pytest.approx(change)


def test_two_models_are_compared_on_the_images_of_the_first(finished, finished_bf16, images):
    found = evaluate(finished, against=finished_bf16)
    assert found.other is not None
    assert (found.recorded, found.other.recorded) == (True, True)  # both saw the same images
    assert found.other.predicted.names == found.predicted.names
    change = found.other.evaluation.headline["top1"].value - found.evaluation.headline["top1"].value
    assert found.comparison.top1.value == pytest.approx(change)
    head = evaluate(
        finished / "head.safetensors",
        images / "val",
        backbone=finished / "model.safetensors",
        against=finished,
    )
    assert head.comparison.top1.value == 0
    assert np.array_equal(head.predicted.probabilities, head.other.predicted.probabilities)


def test_predictions_of_other_images_are_not_taken_for_those_of_the_first(run_copy, finished):
    provenance = run_copy / "provenance.json"
    text = provenance.read_text()
    digest = text.split('"eval": "')[1][:64]
    provenance.write_text(text.replace(digest, "0" * 64))
    found = evaluate(finished, against=run_copy)
    assert (found.recorded, found.other.recorded) == (True, False)


def test_what_does_not_fit_is_said(finished, images):
    with pytest.raises(RunError, match="precision must be one of no, bf16, fp16, got 'float16'"):
        evaluate(finished, precision="float16")
    with pytest.raises(RunError, match="backbone must be left out for a whole model, got "):
        evaluate(finished, backbone=finished / "model.safetensors")
    with pytest.raises(RunError, match=r"is not the folder of a run; .* write: --data"):
        evaluate(finished, against=images)
    with pytest.raises(RunError, match=r"there is no .*gone; name the folder of a run"):
        evaluate(Path("/gone"), images)


def test_each_look_at_the_test_split_is_counted(run_copy, images, monkeypatch):
    recipe = run_copy / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("[data]\n", "[data]\ntest = 0.2\n", 1))
    first = evaluate(run_copy, split="test")
    assert (first.data, first.evaluation.images) == (f"the test split of {run_copy}", 4)
    assert not first.recorded
    assert len(first.looks) == 1
    assert first.looks[0].command == f"tlf evaluate {run_copy} --split test"
    assert first.shared == ()
    names = {*first.predicted.names}
    assert names < {str(path.relative_to(images)) for path in images.glob("train/*/*")}
    trained = evaluate(run_copy, split="train")
    assert not names & {*trained.predicted.names}
    assert (first.split, trained.split) == ("test", "train")
    again = evaluate(run_copy, split="test", tta="flip")
    assert [look.command for look in read_looks(run_copy)] == [
        f"tlf evaluate {run_copy} --split test",
        f"tlf evaluate {run_copy} --split test --tta flip",
    ]
    assert again.looks == read_looks(run_copy)
    assert again.looks[0].images_sha256 == again.looks[1].images_sha256
    assert "looked at 2 times, with the same model" in next(cautions(again))
    written = package.write_evaluation(again)
    assert len(json.loads((written / "evaluation.json").read_text())["looks"]) == 2
    assert "Only the first look is an honest estimate" in (written / "report.html").read_text()
    monkeypatch.setattr("tlf.evaluation.looks.os.access", lambda *_: False)
    with pytest.raises(RunError, match="a look at the test split is counted in"):
        evaluate(run_copy, split="test")
    assert len(read_looks(run_copy)) == 2


def test_test_images_that_the_run_has_trained_on_are_named(run_copy, images, tmp_path):
    copy = shutil.copytree(images, tmp_path / "images")
    shutil.copytree(images / "val", copy / "final")
    recipe = run_copy / "recipe.toml"
    text = recipe.read_text().replace("[data]\n", '[data]\ntest = "final"\n', 1)
    recipe.write_text(text.replace(str(images), str(copy)))
    found = evaluate(run_copy, split="final")
    assert len(found.shared) == found.evaluation.images == 11
    assert (found.shared[0].split, found.looks[0].images) == ("eval", 11)
    assert "11 of the 11 test images are in another split, too" in [*cautions(found)][-1]
    head, backbone = run_copy / "head.safetensors", run_copy / "model.safetensors"
    looks = evaluate(head, split="final", backbone=backbone).looks
    assert looks[-1].command == f"tlf evaluate {head} --split final --backbone {backbone}"


def test_what_fixes_have_changed_is_said_and_written(finished, tmp_path):
    fixes = tmp_path / "fixes.csv"
    fixes.write_text(
        "split,path,label,new_label,leave_out\neval,val/circles/000.jpg,circles,squares,\n"
    )
    for split in ("val", "eval"):
        found = evaluate(finished, overrides=[f"data.fixes={fixes}"], split=split)
        assert found.notes == (f"{fixes} corrects 1 label (eval 1)",)
    assert content(found)["notes"] == [*found.notes]
    assert "notes" not in content(evaluate(finished))
