"""Tables of images with any number of labels: what is written is read, what is damaged is named."""

from json import loads

import numpy as np
import pytest
import torch

from tlf.errors import RunError
from tlf.inference.predictions import predictions, read_predictions, row, write_csv
from tlf.metrics.multi_label.predicted import MultiLabelPredicted
from tlf.tasks import TASKS

TASK = TASKS["multi-label"]
ODD = ('a, "b"; [c]', "path", "é\n")
"""Names of classes that separators, lists and quotes would confuse."""
LABELS = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1]], dtype=torch.uint8)
ROWS = torch.tensor([[0.75, 0.375, 0.25], [0.25, 0.5, 0.125], [0.625, 0.375, 0.875]])


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "predictions.csv"
    write_csv(path, ["x.jpg", "y.jpg", "z.jpg"], ROWS, ODD, LABELS, TASK, (0.5, 0.5, 0.25))
    return path


def test_what_is_written_is_read(table):
    found = read_predictions(table)
    assert isinstance(found, MultiLabelPredicted)
    assert found.names == ("x.jpg", "y.jpg", "z.jpg")
    assert found.classes == ('a, "b"; [c]', "path", "é\\n")
    assert np.array_equal(found.labels, LABELS.numpy())
    assert np.array_equal(found.probabilities, ROWS.double().numpy())
    assert found.predicted.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert found.with_thresholds(lambda: (0.5, 0.5, 0.25)).thresholds == (0.5, 0.5, 0.25)


def test_the_header_says_what_a_table_holds(table):
    text = table.read_text()
    assert text.startswith("path,labels,predicted_labels,")
    table.write_text(text.replace("path,labels,predicted_labels", "path,label,predicted", 1))
    with pytest.raises(RunError, match="must name classes that have a column"):
        read_predictions(table)
    table.write_text(text.replace("predicted_labels", "predicted", 1))
    with pytest.raises(RunError, match=r"must be path,label,predicted,.* or path,labels,pred"):
        read_predictions(table)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("y.jpg,[],", "y.jpg,,", "line 3 .* must have labels as a JSON list"),
        ("y.jpg,[],", "y.jpg,[1],", "must have labels as a JSON list"),
        ("y.jpg,[],", 'y.jpg,"[""no""]",', "must name classes that have a column, got 'no'"),
        ("y.jpg,[],", 'y.jpg,"[""path"", ""path""]",', "must name each class of an image once"),
        ("0.25,0.5,0.125", "0.25,1.5,0.125", "line 3 .* must have probabilities from 0 to 1"),
        ("0.25,0.5,0.125", "0.25,nan,0.125", "must have probabilities from 0 to 1"),
        ("0.75,0.375,0.25", "0.75,0.5,0.25", "line 2 .* must predict 'path', whose probability 0"),
    ],
)
def test_a_damaged_line_is_named(table, old, new, told):
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new))
    with pytest.raises(RunError, match=told):
        read_predictions(table)


def test_an_app_gets_labels_above_their_thresholds_the_best_first():
    from tlf.inference.calibrated import Calibrated

    calibrated = Calibrated(1.0, 0.9, None, "eval", 9, (0.5, 0.5, 0.25))
    first, second, third = predictions(["x", "y", "z"], ROWS, ODD, TASK, calibrated)
    assert first.labels == (ODD[0], ODD[2])
    assert (second.labels, second.label) == ((ODD[1],), ODD[1])
    assert third.labels == (ODD[2], ODD[0])
    assert loads(row(first)["predicted_labels"]) == [ODD[0], "é\\n"]
    plain = next(predictions(["x"], ROWS[:1], ODD, TASK))
    assert plain.labels == (ODD[0],)
