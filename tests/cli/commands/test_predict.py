"""``tlf predict`` prints a table, CSV or JSON lines, and lists unreadable files at the end."""

import csv
import io
import json
import warnings

import pytest
import torch

from run_files import predictions
from small import UNREADABLE
from tlf.cli.commands.predict import print_table
from tlf.inference.classifier import AT_ONCE
from tlf.inference.predict import expand
from tlf.inference.predictions import Prediction


@pytest.fixture
def predict(monkeypatch, main, finished):
    """Run ``tlf predict`` on the run; return its output."""

    def predict(*arguments):
        monkeypatch.setenv("COLUMNS", "300")
        code, out, err = main("predict", finished, *arguments)
        assert (code, err) == (0, "")
        return out

    return predict


@pytest.fixture
def known(finished):
    """Path in the dataset → the row of the run's own predictions.csv."""
    return {row["path"]: row for row in predictions(finished)}


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def figures(row):
    return torch.tensor([float(row[name]) for name in sorted(row) if name.startswith("p_")])


def test_csv_equals_the_predictions_of_the_run(predict, known, images):
    found = read(predict(images / "val", "--format", "csv"))
    assert [row["path"] for row in found] == [str(images / name) for name in known]
    assert list(found[0]) == ["path", "predicted", "p_circles", "p_squares"]
    for row, expected in zip(found, known.values(), strict=True):
        assert row["predicted"] == expected["predicted"]
        torch.testing.assert_close(figures(row), figures(expected), atol=2e-6, rtol=0)


def test_json_lines_and_the_table_hold_the_same(predict, images):
    files = [images / "val/squares/001.jpg", images / "val/circles/odd.jpg"]
    rows = read(predict(*files, "--format=csv"))
    lines = [json.loads(line) for line in predict(*files, "--format=jsonl").splitlines()]
    table = [line.split() for line in predict(*files).splitlines()]
    assert table[0] == ["path", "predicted", "p_circles", "p_squares"]
    assert table[1:] == [list(row.values()) for row in rows]
    assert lines == [
        {
            "path": row["path"],
            "predicted": row["predicted"],
            "probabilities": {n: float(row[f"p_{n}"]) for n in ("circles", "squares")},
        }
        for row in rows
    ]
    assert [row["path"] for row in rows] == [str(file) for file in files]


def test_another_precision_may_be_chosen_and_what_a_device_lacks_is_said(
    predict, main, finished, images, monkeypatch
):
    lone = images / "val/squares/001.jpg"
    plain = predict(lone, "--format", "csv")
    assert predict(lone, "--format", "csv", "--precision", "no") == plain
    monkeypatch.setattr("tlf.runtime.precision.has_fast", lambda precision, device: False)
    # As a line, even where Python is told to turn warnings into errors.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, out, err = main("predict", finished, lone, "--format", "csv", "--precision", "bf16")
    assert (code, out) == (0, plain)
    assert err == (
        "note: this CPU has no fast bf16: float32 is used instead, and figures may differ from "
        "those in bf16\n"
    )
    code, _, err = main("predict", finished, lone, "--precision", "float16")
    assert code == 2
    assert "'float16' is not one of 'no', 'bf16', 'fp16'" in err


@pytest.mark.parametrize("form", ["csv", "jsonl", "table"])
def test_unreadable_files_are_listed_and_the_others_are_classified(
    main, finished, spoilt, form, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "300")
    bad = [spoilt / name for name in UNREADABLE]
    good = [path for path in expand([spoilt]) if path not in bad]
    code, out, err = main("predict", finished, spoilt, "--format", form)
    assert code == 1
    for line, path, reason in zip(err.splitlines(), bad, UNREADABLE.values(), strict=True):
        assert line.startswith(f"error: {path}: ")
        assert reason.lower() in line.lower()
    found = out.splitlines()
    listed = found if form == "jsonl" else found[1:]
    assert len(listed) == len(good) > AT_ONCE
    for line, path in zip(listed, good, strict=True):
        assert str(path) in line
    code, without, err = main("predict", finished, *good, "--format", form)
    assert (code, err) == (0, "")
    if form == "csv":
        for row, expected in zip(read(out), read(without), strict=True):
            assert row["predicted"] == expected["predicted"]
            torch.testing.assert_close(figures(row), figures(expected), atol=2e-6, rtol=0)


@pytest.mark.parametrize("form", ["csv", "jsonl", "table"])
def test_where_no_image_can_be_read_nothing_is_printed(main, finished, spoilt, form):
    bad = [spoilt / name for name in UNREADABLE]
    for path in expand([spoilt]):
        if path not in bad:
            path.unlink()
    code, out, err = main("predict", finished, spoilt, "--format", form)
    assert (code, out) == (2, "")
    first, *lines = err.splitlines()
    assert first == "error: no image can be read:"
    assert [line.partition(": ")[0] for line in lines] == [f"  {path}" for path in bad]


def test_the_exit_code_reaches_the_shell(tlf, finished, spoilt):
    done = tlf("predict", finished, spoilt / "val", "--format", "csv")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2
    assert read(done.stdout)


def test_a_long_path_is_wrapped_and_not_cut(main, finished, images, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    path = images / "val/squares/001.jpg"
    _, out, _ = main("predict", finished, path)
    pieces = [line.split()[0] for line in out.splitlines()[1:]]
    assert "".join(pieces) == str(path)


def test_brackets_and_colons_in_a_name_are_shown_as_they_are(capsys):
    name = "x[copy]:cat:[/].jpg"
    print_table([Prediction("a[b]", 0.75, {"a[b]": 0.75, "c": 0.25}, name)])
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["path", "predicted", "p_a[b]", "p_c"]
    assert line.split() == [name, "a[b]", "0.750000", "0.250000"]
