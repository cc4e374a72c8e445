"""``report.html`` after a run of the command line, or the command that writes it."""

import shlex

import pytest

from histories import epoch
from tlf.cli import report_at_end as module
from tlf.cli.report_at_end import SECONDS, report_at_end
from tlf.errors import DataError
from tlf.results import RunResult

SEGMENT = '{"phase": "head", "epoch": 0, "rates": {}, "start": "%s"}\n'


@pytest.fixture
def ended(tmp_path, monkeypatch, capsys):
    """End a run of so many seconds, and give what is said of its report."""
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / "segments.jsonl").write_text(SEGMENT % "features")

    def reported(run, path, *, neighbours):
        assert (run, neighbours) == (folder, True)
        path.write_text("<p>")
        yield from ()

    def end(seconds, setting=None, reported=reported):
        monkeypatch.setattr("tlf.reports.run_report.reported", reported)
        (folder / "recipe.toml").write_text("" if setting is None else f"report = {setting}")
        report_at_end(RunResult(str(folder), epoch("head", 0), (), seconds))
        return capsys.readouterr()

    end.folder, end.page = folder, folder / "report.html"
    end.command = f"tlf report {shlex.quote(str(folder))}"
    return end


@pytest.mark.parametrize(
    ("seconds", "setting", "written"),
    [
        (SECONDS, None, True),
        (SECONDS - 1, '"auto"', False),
        (1, "true", True),
    ],
)
def test_the_recipe_and_the_time_decide(ended, seconds, setting, written):
    out, err = ended(seconds, setting)
    assert ended.page.is_file() == written
    assert (out, err) == (f"report    {ended.page if written else ended.command}\n", "")


def test_false_writes_none_and_says_nothing(ended):
    assert ended(1000, "false") == ("", "")
    assert not ended.page.exists()


def test_a_report_that_is_there_is_written_anew(ended):
    ended.page.write_text("old")
    assert ended(1).out == f"report    {ended.page}\n"
    assert ended.page.read_text() == "<p>"


@pytest.mark.parametrize("error", [DataError("predictions.csv is damaged"), ValueError()])
def test_a_report_that_fails_does_not_fail_the_run(ended, error):
    def reported(*_, **__):
        raise error
        yield

    out, err = ended(100, reported=reported)
    assert out == ""
    assert err == (
        f"note: there is no report: {str(error) or 'ValueError'}\n"
        f"note: the run has ended well; write its report with: {ended.command}\n"
    )


def test_one_process_of_one_writes_it(ended, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert ended(100).out == f"report    {ended.command}\n"
    monkeypatch.setenv("RANK", "1")
    assert ended(100) == ("", "")


def test_a_run_that_yields_no_result_has_none(capsys):
    report_at_end(None)
    assert capsys.readouterr() == ("", "")
    assert module.SECONDS == 30


def test_what_needs_the_model_is_added_only_where_features_are_stored(ended):
    asked = []

    def reported(*_, neighbours):
        asked.append(neighbours)
        yield from ()

    for start in ("features", "layer4"):
        (ended.folder / "segments.jsonl").write_text(SEGMENT % start)
        ended(100, reported=reported)
    assert asked == [True, False]
