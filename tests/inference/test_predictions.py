"""Predictions as records, and as rows of a table."""

import csv
import tracemalloc

import numpy as np
import pytest
import torch

from predicted_sets import SETS, drawn
from tlf.errors import RunError, WeightsError
from tlf.inference.prediction import Prediction
from tlf.inference.predictions import predictions, read_predictions, row, write_csv
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


# Tables are read


def write(path, found):
    """The predictions as a run writes them."""
    rows, labels = torch.tensor(found.probabilities).float(), torch.tensor(found.labels)
    write_csv(path, found.names, rows, found.classes, labels, TASK)


@pytest.mark.parametrize("name", [name for name in SETS if name != "1,000 classes"])
def test_what_is_written_is_read_to_the_last_bit(name, tmp_path):
    path, given = tmp_path / "predictions.csv", SETS[name]()
    write(path, given)
    found = read_predictions(path)
    assert (found.names, found.classes) == (given.names, given.classes)
    assert found.labels.tolist() == given.labels.tolist()
    assert found.predicted.tolist() == given.predicted.tolist()
    assert np.array_equal(found.probabilities.astype(np.float32), given.probabilities)
    assert (found.labels.dtype, found.probabilities.dtype) == (np.int64, np.float64)


def test_names_of_any_kind_are_read_as_they_are_written(tmp_path):
    path, classes = tmp_path / "predictions.csv", ('a "b", c', "🐜\n", "p_<script>")
    names = ('x, "y".jpg', "\n.png", "蚁/🐜.png", "=1+1", "caf\udce9.png", " ")
    probabilities = torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    write_csv(path, names, probabilities, classes, torch.tensor([0, 1, 2, 0, 1, 2]), TASK)
    found = read_predictions(path)
    assert found.names == ('x, "y".jpg', "\\n.png", "蚁/🐜.png", "=1+1", "caf\\xe9.png", " ")
    assert found.classes == ('a "b", c', "🐜\\n", "p_<script>")
    assert found.predicted.tolist() == found.labels.tolist() == [0, 1, 2, 0, 1, 2]


HEADER = "path,label,predicted,p_ant,p_bee"


def test_tables_with_six_decimals_keep_the_class_that_was_predicted(tmp_path):
    """0.5000001 was rounded to 0.500000, as the other one was."""
    path = tmp_path / "predictions.csv"
    path.write_text(f"{HEADER}\na.jpg,ant,bee,0.500000,0.500000\nb.jpg,bee,ant,1.000000,0.000000\n")
    found = read_predictions(path)
    assert found.predicted.tolist() == [1, 0]
    assert found.probabilities.tolist() == [[0.5, pytest.approx(0.5)], [1, 0]]


@pytest.mark.parametrize("text", [
    "\ufeff{}\r\na.jpg,ant,bee,0.25,0.75\r\n",  # as a spreadsheet stores it
    "{}\na.jpg,ant,bee,0.25,0.75",
    "{}\n\na.jpg,ant,bee,0.25,7.5e-1\n\n",
])  # fmt: skip
def test_tables_that_another_program_has_stored_are_read(tmp_path, text):
    path = tmp_path / "predictions.csv"
    path.write_bytes(text.format(HEADER).encode())
    assert read_predictions(path).probabilities.tolist() == [[0.25, 0.75]]


GOOD = "a.jpg,ant,bee,0.25,0.75\n"
BAD_LINES = {
    "b.jpg,ant,bee,0.25\n": "line 3 of .* must have 5 values, got 4",
    "b.jpg,ant,bee,0.25,0.75,1\n": "line 3 of .* must have 5 values, got 6",
    "b.jpg,fly,bee,0.25,0.75\n": "line 3 of .* must name classes that have a column, got 'fly'",
    "b.jpg,ant,fly,0.25,0.75\n": "line 3 of .* must name classes that have a column, got 'fly'",
    "b.jpg,ant,bee,0.25,much\n": "line 3 of .* must have numbers from its fourth value on, got",
    "b.jpg,ant,bee,0.25,\n": "line 3 of .* must have numbers from its fourth value on, got",
    "b.jpg,ant,bee,nan,0.75\n": "line 3 of .* whose sum is 1, got the sum nan",
    "b.jpg,ant,bee,inf,0.75\n": "line 3 of .* whose sum is 1, got the sum inf",
    "b.jpg,ant,bee,-0.5,1.5\n": "line 3 of .* must have probabilities from 0 to 1",
    "b.jpg,ant,bee,0.25,0.7\n": "line 3 of .* whose sum is 1, got the sum 0.95",
    "b.jpg,ant,ant,0.25,0.75\n": "line 3 of .* must predict its most probable class, got 'ant'",
    'b.jpg,ant,bee,0.25,"0.75\n': "line 3 of .* must be CSV, got: unexpected end of data",
    '"b.jpg"x,ant,bee,0.25,0.75\n': "line 3 of .* must be CSV, got: ',' expected after",
    "\0,ant\n": "line 3 of .* must have 5 values, got 2",
}


@pytest.mark.parametrize(("bad", "told"), BAD_LINES.items())
def test_a_damaged_line_is_named(tmp_path, bad, told):
    path = tmp_path / "predictions.csv"
    path.write_text(f"{HEADER}\n{GOOD}{bad}")
    with pytest.raises(RunError, match=told) as caught:
        read_predictions(path)
    assert "\n" not in str(caught.value)
    assert "copy it again, or name another table" in str(caught.value)


@pytest.mark.parametrize(("content", "told"), [
    ("", "line 1 of .* must be path,label,predicted,p_CLASS,p_CLASS … or .*, got ''"),
    (f"{HEADER}\n", "must hold at least one image, got none"),
    ("path,predicted,p_ant\n", "line 1 of .* must be path,label,predicted,p_CLASS"),
    ("path,label,predicted\n", "line 1 of .* must be path,label,predicted,p_CLASS"),
    (f"{HEADER},p_ant\n", "line 1 of .* must name each class once, after p_, got 'p_ant'"),
    (f"{HEADER},seconds\n", "line 1 of .* must name each class once, after p_, got 'seconds'"),
    (b"\xff\xfe\x00", "must be text in UTF-8"),
    (b"path,label," + b"x" * 200_000, "line 1 of .* must be CSV, got: field larger than"),
])  # fmt: skip
def test_what_is_no_table_of_predictions_is_refused(tmp_path, content, told):
    path = tmp_path / "predictions.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RunError, match=told):
        read_predictions(path)


def test_a_table_that_is_missing_or_no_file_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"there is no .*gone/predictions\.csv; name the table of"):
        read_predictions(tmp_path / "gone" / "predictions.csv")
    with pytest.raises(RunError, match=r"cannot read .*: it must be a regular file, got a folder"):
        read_predictions(tmp_path)


def test_the_numbers_of_a_table_are_held_once(tmp_path):
    path = tmp_path / "predictions.csv"
    write(path, drawn(200, 500, skill=5.0))
    tracemalloc.start()
    found = read_predictions(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.7 * found.probabilities.nbytes


def test_very_many_images_are_held_without_an_object_for_each(tmp_path):
    """Beyond labels and probabilities, a million of them take less than 300 bytes each."""
    path, given = tmp_path / "predictions.csv", drawn(5000, 3, skill=5.0)
    write(path, given)
    read_predictions(path)  # what is imported and compiled once is no matter of images
    tracemalloc.start()
    found = read_predictions(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    held = found.probabilities.nbytes + found.labels.nbytes
    assert (peak - held) / len(found) < 150
