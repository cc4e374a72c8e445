from dataclasses import replace
from pathlib import Path

from histories import record, report, two_phases
from tlf.reports.panels.provenance import panel
from tlf.runs.folder import read_provenance

RECORDED = {
    "versions": {"python": "3.11.7", "tlf": "0.1.0"},
    "plugins": [{"name": "<b>", "version": "1", "sha256": "abc"}, "damaged"],
    "backbone_sha256": "d6c7",
    "data_sha256": {"train": "1f92", "eval": "a307"},
    "hardware": {"device": "CPU, 1 thread"},
    "git_revision": None,
    "started_from": [
        {
            "key": "backbone.weights",
            "folder": "runs/<i>",
            "metrics": {"eval_top1": 0.90196},
            "started_from": [{"key": "start_from", "folder": "runs/first"}, 5],
        }
    ],
    "changes": ["lr is 0.1 <now>"],
    "after_epochs": 3,
    "earlier": [{"versions": {}}, "damaged"],
}


def test_what_is_recorded_is_shown_and_copied():
    html = panel(report(record(two_phases(), provenance=RECORDED, recipe='a = "<b>"'))).html
    for text in ("3.11.7", "d6c7", "1f92", "CPU, 1 thread", "plugin &lt;b&gt; 1", "train images"):
        assert text in html
    assert "git revision" not in html
    assert "tlf run &#39;runs/my run/recipe.toml&#39;" in html
    assert "a = &#34;&lt;b&gt;&#34;" in html
    assert html.count("data-copies") == 2
    assert "backbone.weights = runs/&lt;i&gt;" in html
    assert "eval_top1 0.902" in html
    assert "start_from = runs/first" in html
    assert "Resumed with changes after 3 epochs" in html
    assert "lr is 0.1 &lt;now&gt;" in html
    assert "<b>" not in html


def test_a_run_of_another_version_and_no_run():
    damaged = {"versions": 3, "plugins": None, "earlier": 5, "hardware": [], "started_from": 7}
    for recorded in ({}, damaged):
        html = panel(report(record(two_phases(), provenance=recorded))).html
        assert "<table" not in html
        assert "Train it again" in html
    assert panel(report()) is None


def test_the_provenance_of_a_run(finished: Path):
    run = replace(record(two_phases()), provenance=read_provenance(finished))
    html = panel(report(run)).html
    assert run.provenance["backbone_sha256"] in html
    assert run.provenance["versions"]["torch"] in html
