"""Tables of epochs: one run, several side by side, and the stages of a run."""

from dataclasses import replace

from tlf.cli.epochs import history_lines, segment_lines, side_by_side, stage_lines
from tlf.events import Audit, SegmentStarted
from tlf.results import EpochResult, StageSignals
from tlf.tasks.metric import Metric

RESULT = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)
BETTER = replace(
    RESULT, epoch=1, metrics={"loss": 0.2, "top1": 0.875}, train_metrics={"top1": 0.75}
)


def test_the_table_fits_a_terminal():
    wide = replace(
        BETTER,
        phase="everything",
        epoch=119,
        metrics={"loss": 12345.6, "top1": 1.0},
        train_metrics={"top1": 1.0},
    )
    titles, header, one, two, best = history_lines(
        [replace(RESULT, train_metrics={"top1": 0.5}), wide]
    )
    assert titles.split() == ["train", "eval"]
    assert header.split() == [
        "phase", "epoch", "loss", "top-1", "loss", "top-1", "lr", "images/s", "seconds"
    ]  # fmt: skip
    assert one.split() == [
        "head", "1", "0.5000", "50.00%", "0.2500", "87.50%", "1.00e-02", "160", "1.5"
    ]  # fmt: skip
    assert two.split()[:6] == ["everything", "120*", "0.5000", "100.00%", "1.23e+04", "100.00%"]
    assert best == "* the best epoch, by eval_top1"
    assert {len(line) for line in (header, one, two)} == {len(header)}
    assert len(header) <= 80


def test_no_epoch_is_an_empty_table():
    assert len([*history_lines([])]) == 2


def test_where_train_top1_is_unknown_the_reasons_are_said():
    *_, last = history_lines([BETTER, RESULT])
    assert last == "train top-1 –: labels were mixed, a plugin made the steps, or an older tlf ran"
    assert "–" not in "".join(history_lines([BETTER]))


def test_the_metric_of_the_training_steps_need_not_be_the_main_one():
    own = replace(
        RESULT,
        metrics={"loss": 0.25, "map": 0.5, "exact_match": 0.25},
        train_metrics={"exact_match": 0.75},
    )
    titles, header, one, *_ = history_lines([own], "eval_map")
    assert header.split("exact match")[0].split() == ["phase", "epoch", "loss"]
    assert one.split()[2:7] == ["0.5000", "75.00%", "0.2500", "50.00%", "25.00%"]
    assert titles.index("eval") == header.rindex("loss")


def test_a_metric_of_another_version_is_shown_by_its_name_and_a_missing_one_as_a_dash():
    newer = replace(RESULT, epoch=1, metrics={"loss": 0.25, "map50": 0.5})
    _, header, one, two, *_ = (line.split() for line in history_lines([RESULT, newer]))
    assert header[5:7] == ["top-1", "map50"]
    assert one[5:7] == ["87.50%", "–"]
    assert two[5:7] == ["–", "0.5000"]


def test_the_same_epochs_of_several_runs_are_in_a_line():
    longer = [BETTER, replace(BETTER, phase="all", epoch=0, metrics={"loss": 0.1, "top1": 0.5})]
    histories = {"runs/a": [RESULT, *longer], "runs/b": [replace(RESULT, train_loss=0.1)]}
    monitors = {"runs/a": "eval_top1", "runs/b": "train_loss"}
    lines = [*side_by_side(histories, monitors)]
    assert lines[:6] == [
        "run 1  runs/a", "run 2  runs/b", "their phases and numbers of epochs differ:",
        "  run 1: head 2, all 1", "  run 2: head 1", "",
    ]  # fmt: skip
    assert [line.split() for line in lines[6:]] == [
        ["run", "1", "run", "2"],
        ["phase", "epoch", "loss", "top-1", "loss", "top-1"],
        ["head", "1", "0.2500", "87.50%", "0.2500", "87.50%*"],
        ["head", "2", "0.2000", "87.50%*", "–", "–"],
        ["all", "1", "0.1000", "50.00%", "–", "–"],
        ["*", "the", "best", "epoch", "of", "run", "1,", "by", "eval_top1:", "head", "2"],
        ["*", "the", "best", "epoch", "of", "run", "2,", "by", "train_loss:", "head", "1"],
    ]
    alike = {"runs/a": [RESULT], "runs/b": [RESULT], "runs/c": [RESULT], "runs/d": [RESULT]}
    lines = [*side_by_side(alike, dict.fromkeys(alike, "eval_loss"))]
    assert not [line for line in lines if "differ" in line]
    assert max(map(len, lines)) <= 85


def test_frozen_stages_have_dashes_instead_of_signals():
    stages = {"stem": StageSignals(0.0, 3.5, 0.0), "head": StageSignals(0.25, 2.0, 0.01)}
    header, stem, head = stage_lines([replace(RESULT, stages=stages)])
    assert header.split("  ")[0] == "phase epoch"
    assert stem.split() == ["head", "1", "stem", "–", "3.5", "–"]
    assert head.split() == ["head", "1", "head", "0.25", "2", "1.00e-02"]


def test_what_each_segment_left_unchanged():
    started = SegmentStarted("head", 0, {"head.bias": 0.1})
    audited = replace(started, epoch=2, audit=Audit(1_816_560, 2, ("head.bias",)))
    assert [*segment_lines([started, audited])] == [
        "phase head, from epoch 1",
        "  its end was not audited: it has not ended, or an older tlf wrote it",
        "phase head, from epoch 3",
        "  frozen    1,816,560 values unchanged, bit for bit",
        "  trained   1 of 2 tensors moved",
    ]


def test_metrics_of_the_recipe_have_their_titles_and_their_best():
    cost = Metric("cost", "cost of errors", higher_is_better=False, is_rate=False)
    first, second = (
        replace(RESULT, epoch=n, metrics={**RESULT.metrics, "cost": figure},
                described={"cost": cost})
        for n, figure in enumerate((0.25, 0.5))
    )  # fmt: skip
    _, titles, *rows = history_lines([first, second], "eval_cost")
    assert "top-1  cost of errors" in titles
    assert [row.split()[1] for row in rows[:2]] == ["1*", "2"]
    assert all(row.index("e-0") == rows[0].index("e-0") for row in rows[:2])
    assert len(titles.rstrip()) == len(rows[0].rstrip())
    *_, last = side_by_side({"a": [second], "b": [first]}, dict.fromkeys("ab", "eval_cost"))
    assert last == "* the best epoch of run 2, by eval_cost: head 1"
