"""What becomes of a trained model of images with any number of labels, the whole way."""

import json
import re
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

import tlf
from generators import exhausted
from places import ROOT
from shapes import INKS, draw_shapes, shapes_recipe
from tlf.cli.predictions import WRITERS
from tlf.errors import DataError, RunError
from tlf.inference.metadata import read_metadata
from tlf.inference.onnx_file import load_onnx
from tlf.inference.predictions import read_predictions
from tlf.inference.sealed_file import FORMAT, read_sealed
from tlf.recipe.plan import find_splits, read_plan
from tlf.reports.run_report import write_report
from tlf.simulator.simulation import open_simulation
from tlf.tasks import TASKS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    phases = [{"name": "head", "freeze": "backbone", "epochs": 6, "lr": 0.5}]
    changes = {"cache": {"dir": str(folder / "cache")}, "phases": phases, "unlike": True}
    shapes_recipe(folder / "recipe.toml", draw_shapes(folder, 40, 16), changes)
    for _ in tlf.run(folder / "recipe.toml"):
        pass
    return folder


@pytest.fixture(scope="module")
def images(folder):
    return sorted(map(str, folder.glob("val*.png")))


def test_predictions_are_at_the_thresholds_of_the_model(folder, images):
    table = read_predictions(folder / "run" / "predictions.csv")
    limits = read_metadata(folder / "run" / "head.safetensors").thresholds
    assert np.array_equal(table.predicted, table.probabilities >= np.float32(limits))
    found = {one.path: one for one in tlf.predict(folder / "run", images, nearest=1)}
    for name, row in zip(table.names, table.probabilities, strict=True):
        one = found[str(folder / name)]
        above = {k for k, p, limit in zip(INKS, row, np.float32(limits), strict=True) if p >= limit}
        assert {*one.labels} == above
        assert [one.probabilities[k] for k in one.labels] == sorted(
            (one.probabilities[k] for k in one.labels), reverse=True
        )
        assert (one.probability, one.unsure) == (max(one.probabilities.values()), False)
        assert one.nearest[0].name.startswith("train")


def test_every_format_says_which_labels_are_predicted(folder, images):
    found = [*tlf.predict(folder / "run", images[:3])]
    written = {}
    for name, write in WRITERS.items():
        file = StringIO()
        write(found, file, None)
        written[name] = file.getvalue().splitlines()
    assert written["csv"][0].startswith("path,predicted_labels,p_blue,p_green,p_red")
    assert json.loads(written["jsonl"][0])["predicted_labels"] == [*found[0].labels]
    assert written["table"][0].startswith("path")
    assert "predicted labels" in written["table"][0]
    top = StringIO()
    WRITERS["csv"](found, top, 1)
    assert top.getvalue().startswith("path,predicted_labels,class,probability\n")


def test_evaluate_says_what_scikit_learn_says(folder, tmp_path):
    evaluated = tlf.evaluate(folder / "run")
    found, headline = evaluated.predicted, evaluated.evaluation.headline
    assert evaluated.recorded
    assert headline["map"].value == pytest.approx(
        average_precision_score(found.labels, found.probabilities)
    )
    macro = f1_score(found.labels, found.predicted, average="macro", zero_division=np.nan)
    assert headline["macro_f1"].value == pytest.approx(macro)
    page = tlf.write_evaluation(evaluated, tmp_path / "evaluation")
    content = json.loads((page / "evaluation.json").read_text())
    thresholds = [one["threshold"] for one in content["per_class"]]
    assert (content["task"], content["format"]) == ("multi-label", 2)
    assert thresholds == [*read_metadata(folder / "run" / "head.safetensors").thresholds]
    assert read_predictions(page / "predictions.csv").predicted.tolist() == found.predicted.tolist()


def test_other_images_are_aligned_by_the_names_of_classes(folder, tmp_path):
    lines = (folder / "list.csv").read_text().splitlines()
    lines = [lines[0], *(line for line in lines if line.endswith(",val"))]
    renamed = [re.sub("red", "violet", line) for line in lines]
    table = folder / "other.csv"
    table.write_text("\n".join(renamed) + "\n")
    options = ['data.label_separator="|"']
    found = tlf.evaluate(folder / "run", table, overrides=options, split="val")
    assert [*found.unknown] == ["violet"]
    assert found.evaluation.per_class[2].support == 0
    assert len(found.predicted) == 16
    own = tlf.evaluate(folder / "run")
    order = [own.predicted.names.index(name) for name in found.predicted.names]
    assert np.array_equal(found.predicted.labels[:, :2], own.predicted.labels[order][:, :2])
    assert np.array_equal(found.predicted.predicted, own.predicted.predicted[order])
    both = tlf.evaluate(folder / "run", against=folder / "run" / "model.safetensors")
    assert (both.comparison.map.value, both.comparison.distinguishable) == (0, False)


def test_images_of_one_label_each_are_refused(folder):
    single = folder / "single"
    for name, ink in (("blue", "val000.png"), ("red", "val001.png")):
        (single / name).mkdir(parents=True, exist_ok=True)
        (single / name / ink).write_bytes((folder / ink).read_bytes())
    with pytest.raises(DataError, match="must have labels as the model's task has them: labels"):
        tlf.evaluate(folder / "run", single)


def test_the_page_shows_what_makes_sense(folder, tmp_path):
    html = write_report(folder / "run", output=tmp_path / "page.html").read_text()
    for anchor in ("verdict", "classes", "co-occurrence", "errors", "decisions", "findings"):
        assert f'<section id="{anchor}"' in html
    assert '<section id="confusion"' not in html
    assert "no confusion matrix" in html


def test_a_head_is_used_without_tlf(folder):
    text = (ROOT / "tlf" / "inference" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    block = "".join(b for b in blocks if 'framework="pt"' in b or "sigmoid" in b)
    out = StringIO()
    with chdir(folder / "run"), redirect_stdout(out):
        exec(block, {})
    head = tlf.load_head(folder / "run" / "head.safetensors")
    _, data = read_sealed(folder / "run" / "head.safetensors")
    from safetensors.torch import load

    probabilities = head(load(data)["golden.features"]).sigmoid()[0]
    limits = torch.tensor(head.calibrated.thresholds)
    expected = [name for name, mark in zip(INKS, probabilities >= limits, strict=True) if mark]
    assert out.getvalue().splitlines()[-1] == str(expected)


def test_an_older_tlf_refuses_the_files_by_their_format(folder, monkeypatch):
    monkeypatch.setattr("tlf.inference.sealed_file.NEWEST", FORMAT)
    for name in ("head.safetensors", "model.safetensors"):
        with pytest.raises(RunError, match=r"the format of .* must be one of 1 to 3, got 4"):
            read_metadata(folder / "run" / name)


def test_exports_give_the_same_probabilities(folder):
    found = tlf.export(folder / "run", "head")
    assert found.difference < 1e-5
    assert found.metrics == pytest.approx(found.run_metrics)
    assert {"map", "macro_f1"} <= found.metrics.keys()


@pytest.mark.slow
def test_a_graph_names_its_task_and_thresholds(folder):
    exported = tlf.export(folder / "run", "onnx")
    graph = load_onnx(Path(exported.path))
    assert graph.task == "multi-label"
    assert graph.thresholds == read_metadata(folder / "run" / "head.safetensors").thresholds
    found, own = tlf.evaluate(exported.path), tlf.evaluate(folder / "run")
    assert np.allclose(found.predicted.probabilities, own.predicted.probabilities, atol=1e-5)
    assert found.evaluation.per_class[0].threshold == graph.thresholds[0]


def test_a_check_proposes_labels(folder, tmp_path):
    from tlf.checks.check import check
    from tlf.checks.checked import Checked

    checked = next(e for e in check(folder / "recipe.toml") if isinstance(e, Checked))
    assert {*checked.findings.class_counts["train"]} == {*INKS}
    written = tlf.write_check(checked, tmp_path / "check")
    assert (written / "fixes.csv").read_text().startswith("split,path,label")


def test_fixes_give_several_labels_or_none(folder, tmp_path):
    before = find_splits(read_plan(folder / "recipe.toml")).train
    rows = {
        before.names[0]: (before.labels[0], "red; blue"),
        before.names[1]: (before.labels[1], ";"),
    }
    names = [*INKS]
    lines = [
        f'train,{path},"{"; ".join(names[k] for k in label)}","{new}",,'
        for path, (label, new) in rows.items()
    ]
    fixes = tmp_path / "fixes.csv"
    fixes.write_text("\n".join(["split,path,label,new_label,leave_out,reason", *lines]) + "\n")
    plan = read_plan(folder / "recipe.toml", [f"data.fixes={fixes}"])
    assert [*find_splits(plan).train.labels[:2]] == [(0, 2), ()]
    fixes.write_text(fixes.read_text().replace("red; blue", "red; grey"))
    with pytest.raises(
        DataError, match="new_label must be a class of the dataset, got 'red; grey'"
    ):
        find_splits(read_plan(folder / "recipe.toml", [f"data.fixes={fixes}"]))


def test_the_simulator_shows_every_label_of_an_image(folder):
    simulation, _ = exhausted(open_simulation(folder / "recipe.toml"))
    scene, lane = simulation.scene, simulation.lane(simulation.scene.presets[0].settings)
    split = find_splits(read_plan(folder / "recipe.toml")).eval
    labels = dict(zip(split.names, split.labels, strict=True))
    assert {image.name: image.labels for image in scene.eval} == {
        image.name: labels[image.name] for image in scene.eval
    }
    assert {len(image.labels) for image in scene.eval} >= {0, 3}
    record = lane.make_step()
    judged, correct = record.eval, 0
    for row, given, image in zip(judged.probabilities, judged.given, scene.eval, strict=True):
        correct += given == image.labels
        assert {*image.labels} <= {k for k, _ in row}
        assert {k for k, probability in row if probability >= 0.5} == {*given}
    assert judged.correct == correct
    assert scene.right == TASKS["multi-label"].right_means
    assert record.stages["head"].flow > 0


@pytest.mark.slow
def test_studies_judge_by_map(folder):
    """Each study ends with tables that name mAP, and with figures that are rates."""
    recipe = folder / "recipe.toml"
    *_, probed = tlf.probe(recipe)
    *_, rates = tlf.lr(recipe, seeds=2)
    *_, curve = tlf.curve(recipe, sizes=(4, 8))
    for found in (probed, rates, curve):
        assert "mAP" in str(found)
    best = probed.backbones[0].accuracy["logistic"]
    assert 0.4 < best.low < best.value <= best.high <= 1
    heads = rates.phases[0]
    assert heads.at_once
    assert max(one.accuracy.value for one in heads.rates) > 0.8
    assert [one.name for one in curve.classes] != []
    assert 0.4 < curve.sizes[0].accuracy.value <= 1
    assert {one.name: one.images for one in curve.classes} == dict(probed.class_counts)
