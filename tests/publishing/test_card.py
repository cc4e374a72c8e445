"""The model card of a run: what it says, and that no name in it is taken for more than text."""

import json
from contextlib import chdir, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from shutil import copy, copytree

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from PIL import Image

import tlf as package
from cards import code_of
from label_sets import drawn_sets
from shapes import draw_shapes, shapes_recipe
from small import needs_onnx
from tlf.errors import RunError
from tlf.evaluation.looks import Look
from tlf.metrics.evaluation import evaluation
from tlf.publishing.card.card import make_card
from tlf.publishing.card.images import imbalance
from tlf.publishing.card.markdown import block, code, escaped, sentence
from tlf.publishing.card.training import stages, stretches
from tlf.publishing.card.usage import Place
from tlf.publishing.facts import OnTestSplit, read_facts
from tlf.publishing.licences import Licence
from tlf.reports.report import MultiLabelReport

HOSTILE = [
    '<script>alert(1)</script>', "a|b|c", "`x` `` y", "# h\n---\nlicense: evil", "[a](http://evil)",
    "![i](http://evil/i.png)", "</details>", "*b* __c__", "www.evil.com", "me@evil.com",
    "{{ 7*7 }}",
    "```\nimport os", "&lt;", "‮abc", "\\", ": - a", "x" * 500,
]  # fmt: skip


def run_code(text, folder):
    """Run a block of a card in a folder; what it prints."""
    out = StringIO()
    with chdir(folder), redirect_stdout(out):
        exec(compile(text, "README.md", "exec"), {})
    return out.getvalue()


@pytest.fixture(scope="module")
def facts(finished):
    return read_facts(finished, "mit")


def shown(card):
    """A card as HTML, and its metadata."""
    _, about, text = str(card).split("---\n", 2)
    return MarkdownIt("commonmark").enable("table").render(text), yaml.safe_load(about)


def test_a_stranger_reads_what_matters(facts):
    card = str(make_card(facts, Place()))
    for part in (
        "This model says which of 2 classes an image is of", "| top-1 |", "95 % interval",
        "These images chose the best epoch, so the figures are a little too high",
        "11 images are few", "| train | 20 |", "| eval | 11 |", "| head | 1 | head | stem",
        "every one of them was the same to the bit", 'kind = "timm"', "| torch | `",
        "eval images (names, labels, bytes)", "put your own in their place",
        "The author of this model states it.",
    ):  # fmt: skip
        assert part in card, part
    text, about = shown(card)
    assert (about["license"], about["library_name"], about["pipeline_tag"]) == (
        "mit", "tlf", "image-classification"
    )  # fmt: skip
    (results,) = about["model-index"]
    figures = results["results"][0]["metrics"]
    assert (figures[0]["type"], figures[0]["value"]) == (
        "accuracy", pytest.approx(facts.report.evaluation.headline["top1"].value, abs=1e-6)
    )  # fmt: skip
    assert "95 % interval" in figures[0]["name"]
    assert text.count("<table>") == 9


def test_names_are_text_alone(facts):
    """Classes, data set, notes, and the recipe: no markup, no link, no other metadata."""
    report = facts.report
    predicted = replace(report.predicted, classes=("</details><b>", HOSTILE[0]))
    notes = {**facts.provenance, "notes": HOSTILE}
    hostile = replace(
        facts,
        name=HOSTILE[3],
        report=replace(report, predicted=predicted, evaluation=evaluation(predicted)),
        metadata=replace(facts.metadata, classes=tuple(HOSTILE)),
        provenance=notes,
        recipe={**facts.recipe, "data": {"kind": "folder", "root": HOSTILE[4]}, "x": HOSTILE},
    )
    text, about = shown(make_card(hostile, Place("me/x", own_loader=True)))
    for markup in ("<script", "<b>", "<img", "<em>b", "<strong>c", 'evil"', "<h1>h"):
        assert markup not in text, markup
    assert text.count("<details>") == text.count("</details>") == 2
    assert text.count("<a href") == 1  # to tlf
    assert "http\\:" not in text  # escapes are read, not shown
    assert (about["license"], about["model-index"][0]["name"]) == ("mit", "x")
    assert "49" not in escaped("{{ 7*7 }}")


def test_escapes():
    assert escaped(" a*b|c ") == "a\\*b\\|c"
    assert escaped("http://a.b www.c :smile:") == "http\\://a.b www\\.c \\:smile:"
    assert len(escaped("x" * 500)) == 201
    assert (len(sentence("x" * 500)), len(sentence("x" * 5000))) == (500, 1001)
    assert code("``") == "``` `` ```"
    assert code("a|`<b>") == "<code>a&#124;\\`&lt;b&gt;</code>"
    assert block("a\n````\nb", "toml") == "`````toml\na\n````\nb\n`````"


def test_a_model_of_many_labels(facts):
    predicted = drawn_sets(60, 120)
    report = MultiLabelReport(
        "x", predicted=predicted, evaluation=predicted.evaluation(), run=facts.run
    )
    limits = {**facts.metadata.calibrated, "thresholds": [0.5] * 120, "threshold": None}
    metadata = replace(
        facts.metadata, classes=predicted.classes, task="multi-label", calibrated=limits
    )
    many = replace(facts, report=report, metadata=metadata)
    card = str(make_card(many, Place("me/x", own_loader=True)))
    assert "none, one or several" in card
    assert "mean average precision" in card
    assert "The 20 worst of 120 classes" in card
    assert "found.labels" in card
    assert 'about["calibrated"]["thresholds"]' in card
    assert "softmax" not in card
    assert yaml.safe_load(card.split("---\n")[1])["metrics"] == ["f1"]


def test_looks_at_the_test_split_are_said(facts):
    look = Look("2026-11-27T10:00:00+00:00", "tlf evaluate", "a", 9, "b")
    figures = {
        **facts.report.evaluation.as_json(),
        "doubts": ["3 images are in the train split"],
        "shared_images": [{"name": "a.jpg", "split": "eval", "other": "b.jpg"}],
    }
    looked = replace(facts, looks=(look, look), tested=OnTestSplit(figures, (look, look)))
    card = make_card(looked, Place())
    text = str(card)
    assert "images of the **test split**, looked at 2 times:" in text
    assert "keeps the best of several, has chosen by these images: their figures become" in text
    assert "3 images are in the train split." in text
    assert "- 1 of the 11 test images is in the train or eval split, too, byte for byte" in text
    assert "a.jpg" not in text
    assert [one.dataset_split for one in card.data.eval_results][-1] == "test"
    kept = str(make_card(replace(facts, looks=(look,)), Place()))
    assert "its figures were not kept" in kept


def test_a_test_split_that_nobody_has_looked_at_is_said(facts):
    split = {**facts.provenance, "images": {"train": 20, "eval": 11, "test": 7}}
    unseen = str(make_card(replace(facts, provenance=split), Place()))
    assert "The run has a test split of 7 images. Nobody has looked at it yet" in unseen
    assert "test split" not in str(make_card(facts, Place()))


@pytest.mark.parametrize(
    ("sure", "told"),
    [
        ((3, 1), "3 of the 11 eval images, and right for 1 of these"),
        ((0, 0), "none of the 11 eval"),
    ],
)
def test_how_many_predictions_are_sure(facts, monkeypatch, sure, told):
    monkeypatch.setattr("tlf.publishing.card.card.figures.sure", lambda facts: sure)
    limit = replace(facts.report.calibrated, threshold=0.4)
    certain = replace(facts, report=replace(facts.report, calibrated=limit))
    assert f"The prediction is sure for {told}" in str(make_card(certain, Place()))


def test_a_licence_that_the_hub_does_not_know_has_a_name(facts):
    own = replace(facts, licence=Licence("dinov3-license", "So timm says.", "timm/x@1"))
    about = make_card(own, Place("me/x", own_loader=True)).data
    assert (about.license, about.license_name, about.base_model, about.library_name) == (
        "other", "dinov3-license", "timm/x", "timm"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "licence", "told"),
    [
        ({"kind": "timm", "model": "resnet18", "weights": "fb_swsl_ig1b_ft_in1k"},
         "cc-by-nc-4.0", "pretrained weights `fb_swsl_ig1b_ft_in1k`"),
        ({}, "unknown", "weights that nobody has recorded"),
    ],
)  # fmt: skip
def test_the_weights_of_a_run_that_started_from_another_are_those_of_the_first(
    run_copy, first, licence, told
):
    path = run_copy / "provenance.json"
    started = [{"key": "start_from", "folder": "/a/run", "backbone": first, "started_from": []}]
    path.write_text(json.dumps({**json.loads(path.read_text()), "started_from": started}))
    facts = read_facts(run_copy)
    assert facts.licence.name == licence
    card = str(make_card(facts, Place()))
    assert told in card
    assert "random weights" not in card


def test_what_was_frozen_when(facts):
    rows = [*stretches(facts.run.history)]
    assert [row[0] for row in rows] == ["head", "all"]
    assert rows[0][2] == "head"
    assert rows[1][3] == "nothing"
    assert stages(["a", "b", "c", "d"]) == "a … d (4 stages)"


def test_small_classes_are_named(facts):
    (told,) = imbalance(replace(facts, trained={"ants": 30, "bees": 5}))
    assert "ants has 30 train images, bees has 5" in told
    assert not [*imbalance(facts)]


def test_an_unknown_licence_is_asked_for(main, finished, tmp_path):
    command = ("export", finished, "--to", "card", "--output", tmp_path)
    code, out, err = main(*command)
    assert (code, out) == (0, f"{tmp_path / 'README.md'}\n")
    assert err.startswith("note: the card says that the licence is not known. Training began with")
    assert err.endswith("; --licence NAME states it: write --licence apache-2.0 --overwrite\n")
    assert main(*command, "--licence", "mit", "--overwrite")[::2] == (0, "")
    assert main(*command, "--licence", "unknown", "--overwrite")[::2] == (0, "")


def test_the_file_is_not_replaced_unasked(finished, tmp_path):
    path = package.write_card(finished, tmp_path / "card", licence="mit")
    assert path == tmp_path / "card" / "README.md"
    path.write_text("mine")
    with pytest.raises(RunError, match=r"README.md exists; write --overwrite to replace it"):
        package.write_card(finished, tmp_path / "card", licence="mit")
    assert path.read_text() == "mine"
    assert package.write_card(finished, path, licence="mit", overwrite=True).read_text() != "mine"


def test_the_code_runs_in_the_folder_of_the_run(finished, images, tmp_path):
    run = copytree(finished, tmp_path / "run")
    copy(images / "val" / "circles" / "000.jpg", run / "image.jpg")
    expected = dict(package.load_classifier(run).predict(run / "image.jpg").probabilities)
    card = package.write_card(run, licence="mit").read_text()
    own, torch_, head, _onnx = code_of(card)
    assert run_code(own, run).endswith(f"{expected}\n")
    assert yaml.safe_load(run_code(torch_, run)) == pytest.approx(expected, abs=1e-5)
    assert sum(yaml.safe_load(run_code(head, run)).values()) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("side", [(90, 61), (61, 90), (33, 200), (500, 375)])
@needs_onnx
def test_the_code_for_onnx_prepares_images_as_tlf_does(finished, tmp_path, side):
    run = copytree(finished, tmp_path / "run")
    package.export(run, "onnx")
    values = np.random.default_rng(0).integers(0, 256, (*side, 3), dtype=np.uint8)
    Image.fromarray(values).save(run / "image.jpg")
    expected = dict(package.load_classifier(run).predict(run / "image.jpg").probabilities)
    *_, onnx = code_of(package.write_card(run, licence="mit").read_text())
    assert yaml.safe_load(run_code(onnx, run)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
@needs_onnx
def test_every_block_runs_for_images_with_any_number_of_labels(tmp_path):
    phases = [{"name": "head", "freeze": "backbone", "epochs": 6, "lr": 0.5}]
    changes = {"cache": {"dir": str(tmp_path / "cache")}, "phases": phases}
    shapes_recipe(tmp_path / "recipe.toml", draw_shapes(tmp_path, 40, 16), changes)
    *_, result = package.run(tmp_path / "recipe.toml")
    run = Path(result.folder)
    package.export(run, "onnx")
    image = sorted(tmp_path.glob("val*.png"))[0]
    Image.open(image).convert("RGB").save(run / "image.jpg", quality=100, subsampling=0)
    found = package.load_classifier(run).predict(run / "image.jpg")
    own, torch_, head, onnx = code_of(package.write_card(run, licence="mit").read_text())
    assert run_code(own, run).startswith(str(found.labels))
    for text in (torch_, onnx):
        assert {name for name, _ in eval(run_code(text, run))} == {*found.labels}
    run_code(head, run)


@pytest.mark.slow
def test_the_code_for_torchvision_runs(finished_torchvision, images, tmp_path):
    run = copytree(finished_torchvision, tmp_path / "run")
    copy(images / "val" / "circles" / "000.jpg", run / "image.jpg")
    expected = dict(package.load_classifier(run).predict(run / "image.jpg").probabilities)
    _, torch_, *_ = code_of(package.write_card(run, licence="mit").read_text())
    assert yaml.safe_load(run_code(torch_, run)) == pytest.approx(expected, abs=1e-5)
