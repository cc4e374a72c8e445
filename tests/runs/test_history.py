"""metrics.jsonl: a line for each epoch, written and read."""

import json
from dataclasses import replace

import pytest

from tlf.epoch_lines import epoch_line
from tlf.errors import RunError
from tlf.events import Audit
from tlf.results import EpochResult
from tlf.runs.history import (
    append_epoch,
    best_of,
    monitor_of,
    read_history,
    read_notes,
    read_segments,
    rewrite_history,
)

FIRST = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)
SECOND = replace(FIRST, epoch=1, train_loss=0.1 + 0.2)


def test_what_is_written_is_read_exactly(tmp_path):
    append_epoch(tmp_path, FIRST)
    append_epoch(tmp_path, SECOND)
    assert [*read_history(tmp_path)] == [*read_history(str(tmp_path))] == [FIRST, SECOND]
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["eval_top1"] for line in lines] == [0.875, 0.875]


def test_a_figure_that_json_lacks_is_not_written(tmp_path):
    append_epoch(tmp_path, FIRST)
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_epoch(tmp_path, replace(FIRST, train_loss=float("nan")))
    assert [*read_history(tmp_path)] == [FIRST]


def test_an_incomplete_last_line_is_left_out(tmp_path):
    append_epoch(tmp_path, FIRST)
    append_epoch(tmp_path, SECOND)
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text()[:-20])
    assert [*read_history(tmp_path)] == [FIRST]


def test_epochs_after_the_stored_state_are_removed(tmp_path):
    append_epoch(tmp_path, FIRST)
    append_epoch(tmp_path, SECOND)
    rewrite_history(tmp_path, [FIRST])
    assert [*read_history(tmp_path)] == [FIRST]
    rewrite_history(tmp_path, [])
    assert (tmp_path / "metrics.jsonl").read_text() == ""
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize(
    ("folder", "hint"),
    [
        ("runs", "; did you mean '{root}/runs/mine'? Known: {root}/runs/mine"),
        ("runs/mime", "; did you mean '{root}/runs/mine'? Known: {root}/runs/mine"),
        ("elsewhere", ""),
    ],
)
def test_runs_nearby_are_named_where_there_is_none(tmp_path, folder, hint):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    append_epoch(tmp_path / "runs" / "mine", FIRST)
    with pytest.raises(RunError) as raised:
        next(read_history(tmp_path / folder))
    path = tmp_path / folder / "metrics.jsonl"
    assert str(raised.value) == (
        f"there is no {path}; write the folder of a run with a finished epoch"
        + hint.format(root=tmp_path)
    )


def lines_of(tmp_path, *lines):
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join(lines))
    return read_history(tmp_path)


LINE = json.dumps(epoch_line(FIRST)).encode()


def test_keys_and_metrics_of_a_newer_version_are_read(tmp_path):
    newer = json.dumps(json.loads(LINE) | {"watts": 5, "eval_map50": 0.5}).encode()
    (result,) = lines_of(tmp_path, newer, b"")
    assert result.metrics == {"loss": 0.25, "top1": 0.875, "map50": 0.5}


@pytest.mark.parametrize(
    "damaged",
    [b"garbage}", b"\xff\xfe}", b"null", b"[{}]", b"{}", LINE.replace(b'"phase"', b'"fase"')],
)
def test_a_damaged_line_is_named(tmp_path, damaged):
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 2 is damaged .*; remove the line"):
        [*lines_of(tmp_path, LINE, damaged, LINE, b"")]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"phase": 5}, "phase must be text, got 5"), ({"phase": None}, "phase must be text"),
        ({"epoch": "1"}, "epoch must be a whole number from 0 on, got '1'"),
        ({"epoch": -1}, "epoch must be"), ({"epoch": True}, "epoch must be"),
        ({"epoch": 10**400}, "epoch must be"), ({"epoch": 0.5}, "epoch must be"),
        ({"updates": None}, "updates must be"), ({"lr": "fast"}, "lr must be a number, got 'fast'"),
        ({"train_loss": None}, "train_loss must be a number, got None"),
        ({"train_loss": 10**400}, "train_loss must be a number"),
        ({"train_top1": "high"}, "train_top1 must be a number"),
        ({"seconds": []}, "seconds must be"), ({"images_per_second": {}}, "images_per_second must"),
        ({"eval_top1": "high"}, "eval_top1 must be a number"), ({"eval_loss": None}, "eval_loss"),
        ({"stages": None}, ""), ({"stages": [1]}, ""), ({"stages": {"stem": 1}}, ""),
        ({"stages": {"stem": {"grad_norm": 1.0}}}, ""),
        ({"stages": {"stem": {"grad_norm": "1", "weight_norm": 1, "update_ratio": 1}}},
         "stem.grad_norm must be a number, got '1'"),
    ],
)  # fmt: skip
def test_a_line_with_a_damaged_value_is_named(tmp_path, main, change, fault):
    damaged = json.dumps(json.loads(LINE) | change).encode()
    with pytest.raises(RunError) as caught:
        [*lines_of(tmp_path, LINE, damaged, b"")]
    assert "metrics.jsonl, line 2 is damaged (" in str(caught.value)
    assert f"{fault}" in str(caught.value)
    code, _, err = main("history", tmp_path)
    assert code == 2
    assert err.count("error: ") == 1
    assert "Traceback" not in err


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    assert len([*lines_of(tmp_path, LINE, LINE[:40])]) == 1


def test_a_run_without_a_finished_epoch_has_no_history(tmp_path):
    with pytest.raises(RunError, match="holds no finished epoch"):
        [*lines_of(tmp_path, b"")]


SEGMENT = {"phase": "head", "epoch": 0, "rates": {"head.bias": 0.1}, "start": "features"}
AUDIT = {"frozen": 5, "trained": 2, "unmoved": ["head.bias"]}


def segments_of(folder, *lines):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "segments.jsonl").write_text(text)
    return [*read_segments(folder)]


def test_segments_are_read_with_their_audit_also_those_of_an_older_tlf(tmp_path):
    older, one = segments_of(tmp_path, SEGMENT, SEGMENT | {"audit": AUDIT, "newer": 1})
    assert (older.audit, older.start, one.start) == (None, "features", "features")
    assert one.audit == Audit(5, 2, ("head.bias",))


@pytest.mark.parametrize(
    "damaged",
    [{"epoch": "1"}, {"phase": 1}, {"audit": 3}, {"audit": AUDIT | {"frozen": "5"}}, {"audit": {}}],
)
def test_a_damaged_segment_is_named(tmp_path, damaged):
    with pytest.raises(RunError, match=r"segments\.jsonl, line 1 is damaged .*; remove the line"):
        segments_of(tmp_path, SEGMENT | damaged)


def test_the_notes_of_a_run(tmp_path):
    assert read_notes(tmp_path) == ()
    (tmp_path / "provenance.json").write_text('{"notes": ["eval has no images of \'ant\'"]}')
    assert read_notes(tmp_path) == ("eval has no images of 'ant'",)
    (tmp_path / "provenance.json").write_text("{}")  # of an older tlf
    assert read_notes(tmp_path) == ()


def test_the_best_epoch_is_the_runs_choice():
    better = replace(FIRST, epoch=1, metrics={"loss": 0.2, "top1": 0.875})
    assert best_of([FIRST, better], "eval_top1") is better  # of equal top-1, the lower loss
    assert best_of([FIRST, replace(FIRST, epoch=1)], "eval_top1") is FIRST
    assert best_of([FIRST, replace(better, train_loss=0.6)], "train_loss") is FIRST
    assert best_of([replace(FIRST, metrics={})], "eval_top1") is None


def test_without_a_recipe_the_usual_monitor_decides(tmp_path):
    assert monitor_of(tmp_path) == "eval_top1"
    (tmp_path / "recipe.toml").write_text('monitor = "eval_loss"')
    assert monitor_of(tmp_path) == "eval_loss"
    (tmp_path / "recipe.toml").write_text("monitor = [")
    assert monitor_of(tmp_path) == "eval_top1"
