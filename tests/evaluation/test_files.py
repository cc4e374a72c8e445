"""The figures and the predictions of an evaluation as files."""

import csv
import json
from hashlib import sha256

import numpy as np

from tlf.evaluation.evaluate import evaluate
from tlf.evaluation.files import place_of, write_files
from tlf.inference.predictions import read_predictions


def test_where_the_files_go(finished, tmp_path):
    assert place_of(finished, "eval") == finished / "evaluations" / "eval"
    assert place_of(finished / "model.safetensors", "val") == finished / "evaluations" / "val"
    head = finished / "head.safetensors"
    assert place_of(head, "val") == finished / "head.safetensors-evaluations" / "val"


def written(found, folder):
    write_files(found, folder)
    return folder


def test_the_figures_and_the_predictions_are_in_the_folder(run_copy, tmp_path):
    found = evaluate(run_copy)
    folder = written(found, tmp_path)
    assert (folder / "predictions.csv").read_bytes() == (run_copy / "predictions.csv").read_bytes()
    content = json.loads((folder / "evaluation.json").read_text())
    assert (content["format"], content["images"], content["recorded"]) == (1, 11, True)
    assert content["model"] == str(run_copy)
    digest = sha256((run_copy / "model.safetensors").read_bytes()).hexdigest()
    assert content["model_sha256"] == digest
    assert content["data"] == f"the eval split of {run_copy}"
    assert (content["unknown"], content["unreadable"]) == ({}, [])
    assert content["headline"]["top1"]["value"] == found.evaluation.headline["top1"].value


def test_views_and_a_second_model_have_tables_of_their_own(
    finished, finished_bf16, images, tmp_path
):
    found = evaluate(
        finished, images / "val", tta="flip", against=finished_bf16, precision="no"
    )  # which every CPU has
    folder = written(found, tmp_path)
    tables = {
        "predictions.csv": found.predicted,
        "predictions-tta.csv": found.tta.predicted,
        "predictions-2.csv": found.other.predicted,
        "predictions-2-tta.csv": found.other.tta.predicted,
    }
    assert {path.name for path in folder.iterdir()} == {*tables, "evaluation.json"}
    for name, predicted in tables.items():
        read = read_predictions(folder / name)
        assert read.names == predicted.names
        np.testing.assert_allclose(read.probabilities, predicted.probabilities, rtol=1e-8)
    content = json.loads((folder / "evaluation.json").read_text())
    assert content["tta"]["views"] == "flip"
    assert content["tta"]["comparison"]["images"] == 11
    assert content["other"]["model"] == str(finished_bf16)
    assert content["comparison"]["only_first"] == list(found.comparison.only_first)


def test_unreadable_and_unknown_images_are_in_the_file(finished, spoilt, tmp_path):
    (spoilt / "val" / "squares").rename(spoilt / "val" / "stars")
    (spoilt / "val" / "circles" / "000.jpg").write_bytes(b"")
    folder = written(evaluate(finished, spoilt / "val"), tmp_path)
    content = json.loads((folder / "evaluation.json").read_text())
    assert content["unknown"] == {"stars": 6}
    assert content["unreadable"] == [{"path": "circles/000.jpg", "reason": "the file is empty"}]
    with (folder / "predictions.csv").open() as file:
        assert "circles/000.jpg" not in [row["path"] for row in csv.DictReader(file)]
