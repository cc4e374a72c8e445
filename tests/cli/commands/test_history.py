"""``tlf history`` prints a table of a run's epochs."""

from dataclasses import replace

from run_files import metrics
from tlf.cli.commands.history import history_lines
from tlf.results import EpochResult

RESULT = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)


def test_the_table_fits_a_terminal():
    results = [
        RESULT,
        replace(RESULT, phase="everything", epoch=119, metrics={"loss": 0.25, "top1": 1.0}),
    ]
    header, one, two = history_lines(results)
    assert header.startswith("phase       epoch")
    assert one.split() == [
        "head", "1", "0.5000", "0.2500", "87.50%", "1.00e-02", "160", "1.5"
    ]  # fmt: skip
    assert two.split()[:2] == ["everything", "120"]
    assert {len(line) for line in (header, one, two)} == {len(header)}
    assert len(header) <= 80
    (empty,) = history_lines([])
    assert empty == header.replace("phase     ", "phase").replace("    top-1", "")


def test_the_epochs_of_a_run(main, finished, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")  # a table that is longer than the terminal is not wrapped
    code, out, err = main("history", finished)
    assert (code, err) == (0, "")
    header, *rows = out.splitlines()
    assert header.split()[:2] == ["phase", "epoch"]
    assert [row.split()[:2] for row in rows] == [["head", "1"], ["all", "1"], ["all", "2"]]
    assert [float(row.split()[2]) for row in rows] == [
        round(epoch["train_loss"], 4) for epoch in metrics(finished)
    ]


def test_a_metric_of_another_version_is_shown_by_its_name_and_a_missing_one_as_a_dash():
    epoch = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)
    newer = replace(epoch, epoch=1, metrics={"loss": 0.25, "map50": 0.5})
    header, one, two = (line.split() for line in history_lines([epoch, newer]))
    assert header[6:8] == ["top-1", "map50"]
    assert one[4:6] == ["87.50%", "–"]
    assert two[4:6] == ["–", "0.5000"]
