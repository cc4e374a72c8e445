"""The log has every update once, after a kill too; the limit's clock goes on; the program gives the
model's logits.
"""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import tlf_extras
import torch
from tlf_extras import Contrast, Matthews, Pixels, Steps, TimeLimit

from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.reports.plugin_panels import checked_panels
from tlf.runs.resume import resumed
from tlf.runs.run import run
from tlf.testing import (
    check_exporter,
    check_extension,
    check_metric,
    check_report_panels,
    check_transform,
)
from tlf.testing.tiny_run import UPDATES, tiny_plan

EXTRAS = Plugin("extras", "tlf-extras", "0")


def test_it_keeps_the_contract():
    check_extension(Steps(), measured=["seconds", "since", "path"])
    check_extension(TimeLimit(), measured=["since", "used"])
    check_exporter(Pixels())
    check_transform(Contrast(radius=3))
    check_metric(Matthews())
    check_report_panels(Steps().tlf_report_panels)


def test_contrast_does_not_depend_on_the_light():
    pattern = torch.randint(0, 40, (3, 20, 20), generator=torch.Generator().manual_seed(0))
    dark, bright = ((pattern + light).to(torch.uint8) for light in (0, 200))
    even = Contrast(radius=4).transform(dark)
    assert (even.float() - Contrast(radius=4).transform(bright).float()).abs().max() <= 1
    assert even.float().std() > pattern.float().std()
    assert (Contrast().transform(torch.full((1, 9, 9), 7, dtype=torch.uint8)) == 128).all()


def test_every_update_is_a_line_after_a_kill_too(tmp_path):
    folder, log = tmp_path / "run", tmp_path / "run" / "steps.csv"
    events = run(tiny_plan(folder, extensions=[Steps()]))
    while not log.exists() or len(log.read_text().splitlines()) < 6:
        next(events)
    events.close()
    with log.open("a") as file:
        file.write("written after the last stored state\n")
    [*_] = resumed(folder, lambda: tiny_plan(folder, extensions=[Steps()]))
    head, *lines = [line.split(",") for line in log.read_text().splitlines()]
    assert head[:3] == ["phase", "epoch", "update"]
    assert [tuple(line[:3]) for line in lines] == [
        (phase, str(epoch), str(update))
        for phase, epoch in (("head", 0), ("head", 1), ("all", 0))
        for update in range(3)
    ]
    assert len(lines) == UPDATES
    seconds = [float(line[3]) for line in lines]
    assert seconds == sorted(seconds)


def test_the_report_has_a_chart_of_the_updates(tmp_path):
    lines = ["phase,epoch,update,seconds,lr,loss", "head,0,0,0.1,0.1,"]
    lines += [f"head,0,{n},0.1,0.1,{2 - n / 1000}" for n in range(1, 2000)]
    (tmp_path / "steps.csv").write_text("\n".join([*lines, "# ValueError: x"]))
    report = SimpleNamespace(run=SimpleNamespace(folder=tmp_path))
    (panel,) = checked_panels(Steps().tlf_report_panels(report), "extras")
    assert panel.id == "plugin-extras-steps"
    assert "at the 1,999 updates where it was known: 1.999 at first, 0.001 at last" in panel.html
    assert 100 < panel.html.split('points="')[1].split('"')[0].count(",") <= 640
    assert Steps(file="none.csv").tlf_report_panels(report) == []


def test_an_error_is_the_last_line(tmp_path):
    steps = Steps()
    steps.tlf_run_started(folder=str(tmp_path), resumed=False)
    steps.tlf_run_failed(error=ValueError("two\nlines"))
    assert (tmp_path / "steps.csv").read_text().endswith("\n# ValueError: two lines\n")


def test_a_limit_counts_the_time_of_all_processes_and_begins_anew_after_its_end(
    tmp_path, monkeypatch
):
    """Every look at the clock is a second later, and every process has another clock."""
    folder = tmp_path / "run"

    def started(begin, now):
        seconds = iter(range(now, now + 100))
        monkeypatch.setattr(tlf_extras, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
        limit = TimeLimit(seconds=4)
        return limit, begin(tiny_plan(folder, extensions=[limit]))

    def resuming(plan):
        return resumed(folder, lambda: plan)

    limit, events = started(run, now=5000)
    while limit.state.get("used", 0) < 3:
        next(events)
    events.close()
    limit, events = started(resuming, now=10)
    *_, result = events
    assert result.stopped.endswith(": 4 s are over")
    assert limit.state == {"used": 4, "since": 10 - 3}
    limit, events = started(resuming, now=70)
    next(event for event in events if limit.state.get("used", 4) < 4 and limit.state["used"])
    assert limit.state == {"used": 1, "since": 70}


def test_a_limit_is_positive():
    with pytest.raises(ValueError, match="seconds must be more than 0, got 0"):
        TimeLimit(seconds=0)


@pytest.mark.parametrize("classes", [2, 5])
def test_matthews_is_scikit_learns(classes):
    from sklearn.metrics import matthews_corrcoef

    random = torch.Generator().manual_seed(classes)
    labels = torch.randint(0, classes, (40,), generator=random)
    probabilities = torch.rand(40, classes, generator=random)
    for one in (probabilities, torch.ones(40, classes)):
        expected = matthews_corrcoef(labels, one.argmax(1))
        assert Matthews().measure(one, labels) == pytest.approx(expected)


def test_matthews_chooses_the_best_epoch(tmp_path):
    folder = tmp_path / "run"
    plan, offer = tiny_plan(folder), Offer("tlf_metrics", "extras:matthews", Matthews, EXTRAS)
    catalogue = Catalogue((*plan.plugins.catalogue.offers, offer))
    recipe = replace(plan.recipe, metrics=(Matthews(),), monitor="eval_matthews")
    plugins = replace(plan.plugins, catalogue=catalogue)
    *_, result = run(replace(plan, recipe=recipe, plugins=plugins))
    assert result.best.eval_matthews == max(epoch.eval_matthews for epoch in result.history)
    assert result.best.metric("matthews").title == "MCC"
