"""``tlf predict`` writes predictions, and lists unreadable files at the end."""

import csv
import io
import json
import re
import warnings
from pathlib import Path

import pytest
import torch

from run_files import predictions
from small import UNREADABLE
from tlf.inference.classifier import AT_ONCE
from tlf.inference.predict import expand


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
    assert list(found[0]) == ["path", "predicted", "p_circles", "p_squares", "unsure"]
    for row, expected in zip(found, known.values(), strict=True):
        assert row["predicted"] == expected["predicted"]
        torch.testing.assert_close(figures(row), figures(expected), atol=2e-6, rtol=0)


def test_json_lines_and_the_table_hold_the_same(predict, images):
    files = [images / "val/squares/001.jpg", images / "val/circles/odd.jpg"]
    rows = read(predict(*files, "--format=csv"))
    lines = [json.loads(line) for line in predict(*files, "--format=jsonl").splitlines()]
    table = [line.split() for line in predict(*files).splitlines()]
    assert table[0] == ["path", "prediction", "probability", "runner-up", "probability", "note"]
    for line, row in zip(table[1:], rows, strict=True):
        other = next(n for n in ("circles", "squares") if n != row["predicted"])
        best = [(n, f"{float(row[f'p_{n}']):.4f}") for n in (row["predicted"], other)]
        assert line[:5] == [row["path"], *best[0], *best[1]]
        assert bool(line[5:]) is bool(row["unsure"])
    assert lines == [
        {
            "path": row["path"],
            "predicted": row["predicted"],
            "probabilities": {n: float(row[f"p_{n}"]) for n in ("circles", "squares")},
            "unsure": json.loads(row["unsure"] or "null"),
        }
        for row in rows
    ]
    assert [row["path"] for row in rows] == [str(file) for file in files]


def test_why_needs_stored_train_images(main, finished, images):
    code, out, err = main("predict", finished, images / "val/squares/001.jpg", "--why")
    assert (code, out) == (2, "")
    assert "has not stored its train images, so none can be named; train it with unlike=true" in err


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
    bad = [str(spoilt / name) for name in UNREADABLE]
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
    bad = [str(spoilt / name) for name in UNREADABLE]
    for path in expand([spoilt]):
        if path not in bad:
            Path(path).unlink()
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


@pytest.fixture
def on_stdin(monkeypatch):
    """Give bytes to whoever reads stdin."""
    return lambda data: monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_paths_may_come_on_stdin(main, finished, images, on_stdin):
    names = [f"{images}/val/squares/001.jpg", f"{images}/val//circles/odd.jpg"]
    on_stdin("\n".join([names[0], "", names[1]]).encode())
    code, out, err = main("predict", finished, "-", "--format", "csv")
    assert (code, err) == (0, "")
    assert [row["path"] for row in read(out)] == names
    on_stdin(f"{names[0]}\0{images}/gone\n.jpg\0".encode())
    code, out, err = main("predict", finished, names[1], "-", "-0", "--format", "jsonl")
    assert (code, len(out.splitlines())) == (1, 2)
    assert err == f"error: {images}/gone\\n.jpg: No such file or directory; name an image file\n"


@pytest.mark.parametrize(
    ("data", "options", "told"),
    [
        (b"", ["-"], "error: stdin must hold the paths of images, got none; write a path a line"),
        (b"a.jpg\0b.jpg\0", ["-"], "error: stdin must hold a path a line, got a NUL byte; write"),
        (b"x" * 100_000, ["-"], "error: a path on stdin must have at most 65,536 bytes, got more"),
        (b"", ["-0", "a.jpg"], "-0 is about the paths on stdin; write - among the images, too"),
    ],
)
def test_what_is_no_list_of_paths_is_refused(main, finished, on_stdin, data, options, told):
    on_stdin(data)
    code, out, err = main("predict", finished, *options)
    assert (code, out) == (2, "")
    assert told in err


def test_a_file_is_written_whole_in_the_format_of_its_name(main, finished, images, tmp_path):
    some = [images / "val/squares/001.jpg", images / "val/circles/odd.jpg"]
    _, expected, _ = main("predict", finished, *some, "--format", "csv")
    file = tmp_path / "found.CSV"
    file.write_text("old")
    code, out, err = main("predict", finished, *some, "--output", file)
    assert (code, out, err) == (0, "", f"wrote 2 predictions to {file}\n")
    assert file.read_text() == expected
    code, _, err = main("predict", finished, tmp_path / "no.csv", *some[:1], "--output", file)
    assert (code, file.read_text()) == (2, expected)
    (tmp_path / "bad").write_text("no image")
    code, _, err = main("predict", finished, tmp_path / "bad", *some[:1], "--output", file)
    assert (code, err.splitlines()[0]) == (1, f"wrote 1 prediction to {file}")
    assert file.read_text() == "".join(expected.splitlines(keepends=True)[:2])
    main("predict", finished, *some, "--output", file, "--format", "jsonl", "--top", 1)
    assert [len(json.loads(line)["probabilities"]) for line in file.read_text().splitlines()] == [
        1,
        1,
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "found.CSV"]


def test_no_image_and_no_file_of_the_run_is_replaced(main, finished, run_copy, images, tmp_path):
    image = (tmp_path / "plain").absolute()
    image.write_bytes((images / "val/squares/001.jpg").read_bytes())
    (tmp_path / "link.txt").symlink_to(images / "val/squares/001.jpg")
    for given, output, told in (
        ([images], images / "val/squares/001.jpg", "got .*, the name of an image; write --output"),
        ([images], tmp_path / "link.txt", "the name of an image; write --output FILE and then"),
        ([image], tmp_path / "." / "plain", "--output must not replace .*/plain, an image; write"),
        (
            [images],
            run_copy / "predictions.csv",
            "not replace a file in the folder of the run",
        ),
        ([images], tmp_path / "none" / "x.csv", "cannot write .*/none/x.csv: No such file or dir"),
        ([images], tmp_path, "cannot write .*: it is not a regular file"),
    ):
        before = output.read_bytes() if output.is_file() else None
        code, out, err = main("predict", run_copy, *given, "--output", output)
        assert (code, out) == (2, "")
        assert re.search(told, err), err
        assert (output.read_bytes() if output.is_file() else None) == before


def test_the_run_comes_first(main, finished, images, tmp_path):
    (image, *_) = (images / "val").rglob("*.jpg")
    for wrong in (image, image.parent):
        code, out, err = main("predict", wrong, finished)
        assert (code, out) == (2, "")
        assert err == (
            f"error: RUN must be the folder of a run, got {wrong}; write it first: "
            f"tlf predict {finished} {wrong}\n"
        )
