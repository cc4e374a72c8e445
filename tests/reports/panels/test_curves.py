from dataclasses import replace

from histories import epoch, record, report, two_phases
from tlf.reports.panels.curves import panel


def test_both_scales_of_the_loss_and_the_main_metric(tmp_path):
    made = panel(report(record(two_phases())))
    assert (made.id, made.title) == ("curves", "Learning curves")
    assert made.html.count("<svg") == 3
    assert made.html.count("<table>") == 2  # both scales of the loss have the same numbers
    assert 'id="log-scale"' in made.html
    assert '<th scope="row"><bdi>all 3 (best)</bdi></th>' in made.html


def test_without_a_run_or_an_epoch_there_is_none():
    assert panel(report()) is None
    (one,) = history = (epoch("head", 0, 0.5, float("nan"), 0.5),)
    made = panel(report(record(history)))
    assert 'id="log-scale"' not in made.html
    assert panel(report(replace(record((one,)), history=()))) is None


def test_phases_are_escaped_and_a_stop_is_said():
    history = (epoch("<b>&", 0, stopped="stopped after <i>"),)
    html = panel(report(record(history))).html
    assert "<b>" not in html
    assert "&lt;b&gt;&amp; 1" in html
    assert "The run was stopped: stopped after &lt;i&gt;." in html
