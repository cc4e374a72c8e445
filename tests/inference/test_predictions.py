"""Predictions as records, and as rows of a table."""

import csv

import pytest
import torch

from tlf.errors import WeightsError
from tlf.inference.predictions import Prediction, predictions, row, write_csv
from tlf.tasks import TASKS

TASK = TASKS["single-label"]
CLASSES = ("ant", "bee", "Ω, moth")
PROBABILITIES = torch.tensor([[0.125, 0.5, 0.375], [0.75, 0.25, 0.0]])


def test_the_most_probable_class_is_predicted():
    first, second = predictions(["a.jpg", None], PROBABILITIES, CLASSES, TASK)
    assert (first.label, first.probability, first.path) == ("bee", 0.5, "a.jpg")
    assert first.probabilities == {"ant": 0.125, "bee": 0.5, "Ω, moth": 0.375}
    assert [*first.probabilities] == [*CLASSES]
    assert (second.label, second.probability, second.path) == ("ant", 0.75, None)


def test_a_model_that_gives_no_numbers_is_not_believed():
    rows = torch.tensor([[0.5, 0.5, 0.0], [float("nan")] * 3])
    found = predictions(["a.jpg", "b.jpg"], rows, CLASSES, TASK)
    assert next(found).path == "a.jpg"
    with pytest.raises(WeightsError, match=r"probabilities of b\.jpg must be finite, got nan"):
        next(found)


def test_as_many_paths_as_rows_are_needed():
    with pytest.raises(ValueError, match="longer than"):
        list(predictions(["a.jpg"], PROBABILITIES, CLASSES, TASK))


def test_a_row_without_a_label_has_no_such_column():
    found = row(Prediction("ant", 1.0, {"ant": 1.0, "bee": 1e-9}))
    assert found == {"path": "", "predicted": "ant", "p_ant": "1", "p_bee": "1e-09"}


def test_a_table_holds_labels_and_predictions(tmp_path):
    path = tmp_path / "predictions.csv"
    write_csv(path, ["a, b.jpg", "c.jpg"], PROBABILITIES, CLASSES, torch.tensor([2, 0]), TASK)
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "path": "a, b.jpg", "label": "Ω, moth", "predicted": "bee",
        "p_ant": "0.125", "p_bee": "0.5", "p_Ω, moth": "0.375",
    }  # fmt: skip
    assert (second["label"], second["predicted"]) == ("ant", "ant")
    assert b"\r" not in path.read_bytes()


def test_the_first_of_the_most_probable_is_the_prediction_also_where_several_are_equal():
    even = torch.tensor([[0.25, 0.25, 0.5], [0.4, 0.4, 0.2]])
    for one in predictions([None, None], even, CLASSES, TASK):
        assert one.top(1) == [(one.label, one.probability)]
    assert [name for name, _ in one.top(9)] == ["ant", "bee", "Ω, moth"]
