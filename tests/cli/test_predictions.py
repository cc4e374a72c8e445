"""Predictions as a table, CSV and JSON lines, in a file and on a terminal."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from tlf.cli.predictions import SEEN, WRITERS
from tlf.inference.prediction import Prediction
from tlf.results import Neighbour

MANY = [f"class {number:04}" for number in range(1200)]


class Terminal(io.StringIO):
    """A file that is a terminal."""

    def isatty(self):
        return True


def prediction(path, best=0, classes=MANY, **others):
    """A prediction with 0.6 for one class and 0.3 for the next."""
    figures = dict.fromkeys(classes, 0.1 / len(classes)) | others
    figures |= {classes[best]: 0.6, classes[(best + 1) % len(classes)]: 0.3}
    return Prediction(classes[best], 0.6, figures, path)


def written(kind, predictions, top=None, file=None):
    file = file or io.StringIO(newline="")
    WRITERS[kind](iter(predictions), file, top)
    return file.getvalue().splitlines()


@pytest.fixture
def columns(monkeypatch):
    """Set the width of the terminal."""
    return lambda width: monkeypatch.setenv("COLUMNS", str(width))


def test_a_table_of_1200_classes_shows_the_prediction_and_the_runner_up():
    header, line = written("table", [prediction("a b.jpg", 7)])
    assert header.split() == ["path", "prediction", "probability", "runner-up", "probability"]
    assert line == "a b.jpg  class 0007       0.6000  class 0008       0.3000"
    header, line = written("table", [prediction("a.jpg")], top=4)
    assert header.split()[1::2] == ["prediction", "runner-up", "third", "4th"]
    assert line.count("class ") == 4


def test_a_file_gets_full_values_a_line_each(columns):
    columns(40)
    long = "/photographs/" + "holiday/" * 30 + "ant.jpg"
    names = ["short.jpg"] * SEEN + [long]
    _, *lines = written("table", [prediction(name) for name in names])
    assert [line.split("  ")[0].rstrip() for line in lines] == names
    assert len({line.index("class") for line in lines[:-1]}) == 1


@pytest.mark.parametrize("width", [50, 80, 200])
def test_a_terminal_gets_aligned_columns_that_fit(columns, width):
    columns(width)
    paths = ["short.jpg", "/photographs/" + "holiday/" * 30 + "ant.jpg", "/蚁/蚁蚁.jpg" * 9]
    found = [prediction(path) for path in [*paths * 11, "/later/" + "x" * 300]]
    header, *lines = written("table", found, file=Terminal())
    assert len(lines) == len(found)
    assert {cell_len(line) for line in (header, *lines)} == {max(cell_len(header), width)}
    assert all("class 0000" in line for line in lines)
    assert re.match(r"/phot\S*…\S*ant\.jpg  ", lines[1])


def test_a_terminal_shortens_labels_last(columns):
    columns(80)
    classes = [f"{'very-' * 8}long-label-{number}" for number in range(3)]
    _, line = written("table", [prediction("x" * 99, 0, classes)], file=Terminal())
    path, label, figure, other, second = line.split()
    assert (figure, second, len(line)) == ("0.6000", "0.3000", 80)
    assert (len(path), len(other), len(label)) == (16, 16, 18)
    assert (label[:4], label[-1]) == ("very", "0")
    columns(200)
    _, line = written("table", [prediction("a.jpg", 0, classes)], file=Terminal())
    assert line.split()[1::2] == classes[:2]


@pytest.mark.parametrize("kind", WRITERS)
def test_the_first_lines_come_out_before_the_last_image_is_read(kind):
    file, seen = io.StringIO(), []

    def found():
        for number in range(3 * SEEN):
            seen.append(file.getvalue().count(".jpg"))
            yield prediction(f"{number}.jpg", classes=["a", "b"])

    WRITERS[kind](found(), file, None)
    assert seen[-1] == 3 * SEEN - 1
    assert file.getvalue().count(".jpg") == 3 * SEEN


def test_csv_and_json_lines_of_the_most_probable_classes():
    found = [prediction("a.jpg", 1, ["x", "y", "z"], x=0.1)]
    assert written("csv", found, 2) == [
        "path,predicted,probability,predicted_2,probability_2",
        "a.jpg,y,0.6,z,0.3",
    ]
    [line] = map(json.loads, written("jsonl", found, 2))
    assert (line["predicted"], [*line["probabilities"].items()]) == ("y", [("y", 0.6), ("z", 0.3)])
    [row] = csv.DictReader(written("csv", found, 99))
    assert row["predicted_3"] == "x"
    assert written("table", found, 1)[1].split() == ["a.jpg", "y", "0.6000"]


def test_one_class_has_no_runner_up():
    assert written("table", [Prediction("a", 1.0, {"a": 1.0}, "x.jpg")])[1].split()[-1] == "1.0000"


@pytest.mark.parametrize("kind", ["table", "csv"])
def test_what_a_terminal_would_act_on_is_escaped(kind):
    name = "x[copy]:cat:[/]\x1b[31m\n\udce9.jpg"
    lines = written(kind, [Prediction("a[b]\r", 0.75, {"a[b]\r": 0.75, "c": 0.25}, name)])
    assert len(lines) == 2
    assert r"x[copy]:cat:[/]\x1b[31m\n\xe9.jpg" in lines[1]
    assert r"a[b]\r" in lines[1]


def doubtful(path, kept=("x",), unlike=False, near=()):
    return replace(
        prediction(path, 0, ["x", "y", "z"]), kept=kept, unlike=unlike,
        nearest=tuple(Neighbour(*one) for one in near),
    )  # fmt: skip


NEAR = (("train/a.jpg", "x", 0.9), ("train/b.jpg", "y", 0.25))
DOUBTS = [
    doubtful("sure.jpg"),
    doubtful("two.jpg", ("x", 'y"|;')),
    doubtful("none.jpg", (), unlike=True),
    doubtful("many.jpg", tuple(MANY[:9])),
]


def test_a_table_says_doubts_in_a_note():
    header, *lines = written("table", DOUBTS)
    assert header.endswith("probability  note")
    assert [re.split(r"0\.3000 *", line)[1] for line in lines] == [
        "",
        'unsure: x, y"|;',
        "unlike training; unsure: none is probable enough",
        "unsure: " + ", ".join(MANY[:5]) + ", and 4 more",
    ]
    assert all(line == line.rstrip() for line in lines)


def test_csv_and_json_lines_say_them_in_columns_that_stay():
    found = [*csv.DictReader(written("csv", DOUBTS))]
    assert [*found[0]][-2:] == ["unsure", "unlike"]
    assert [row["unsure"] and json.loads(row["unsure"]) for row in found[:3]] == [
        "", ["x", 'y"|;'], []
    ]  # fmt: skip
    assert [row["unlike"] for row in found] == ["", "", "yes", ""]
    lines = [*map(json.loads, written("jsonl", DOUBTS, 1))]
    assert [line["unsure"] for line in lines[:3]] == [None, ["x", 'y"|;'], []]
    assert [line["unlike"] for line in lines] == [False, False, True, False]
    assert [*csv.DictReader(written("csv", DOUBTS, 1))][2]["unlike"] == "yes"


def test_what_a_run_cannot_tell_has_no_column():
    old = prediction("a.jpg", classes=["x", "y"])
    assert "note" not in written("table", [old])[0]
    assert written("csv", [old])[0] == "path,predicted,p_x,p_y"
    assert [*json.loads(written("jsonl", [old])[0])] == ["path", "predicted", "probabilities"]
    half = replace(old, unlike=True)
    assert written("csv", [half])[0] == "path,predicted,p_x,p_y,unlike"
    assert written("table", [half])[1].endswith("unlike training")


def test_the_nearest_train_images_follow():
    found = [doubtful("a.jpg", near=NEAR), doubtful("b.jpg", near=NEAR)]
    lines = written("table", found)
    assert lines[2:4] == ["  0.9000  x  train/a.jpg", "  0.2500  y  train/b.jpg"]
    assert len(lines) == 7
    unlabelled = written("table", [doubtful("a.jpg", near=[("train/c.jpg", "", 0.5)])])
    assert unlabelled[2] == "  0.5000  –  train/c.jpg"
    row = next(csv.DictReader(written("csv", found)))
    names = ("nearest", "nearest_label", "similarity", "nearest_2", "nearest_label_2")
    assert [row[name] for name in names] == ["train/a.jpg", "x", "0.900000", "train/b.jpg", "y"]
    line = json.loads(written("jsonl", found)[0])
    assert line["nearest"][1] == {"path": "train/b.jpg", "label": "y", "similarity": 0.25}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_has_notes_and_train_images_below(columns, width):
    columns(width)
    near = [("train/" + "x" * 200, "x", 0.5)]
    found = [doubtful("p" * 99, tuple(MANY[:9]), unlike=True, near=near), doubtful("b.jpg")]
    header, line, note, image, last = written("table", found, file=Terminal())
    assert max(map(cell_len, (line, note, image, last))) <= max(width, cell_len(header))
    assert header.endswith("probability")
    assert note.startswith("  unlike training; unsure: ")
    assert image.startswith("  0.5000  x  train/xx")
    assert last.startswith("b.jpg")
