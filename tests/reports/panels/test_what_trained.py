import re
from dataclasses import replace

from histories import FROZEN, SEGMENTS, TRAINS, epoch, record, report, two_phases
from tlf.reports.panels.what_trained import MOST_SEGMENTS, panel


def test_every_cell_has_a_letter_and_its_numbers():
    html = panel(report(record(two_phases()))).html
    cells = re.findall(r'<td class="(\w+)" title="(.+?)">(.)</td>', html)
    assert len(cells) == 15
    assert cells[0] == (
        "trains", "head, head 1: trains; lr 1.00e-01, gradient norm 0.5, update ratio 1.00e-02", "T"
    )  # fmt: skip
    assert cells[5] == ("frozen", "layer1, head 1: frozen", "F")
    assert "frozen in a part" not in html


def test_the_audits_are_the_proof():
    html = panel(report(record(two_phases()))).html
    assert "frozen: 1,234 values unchanged, bit for bit" in html
    assert "1 of 2 training tensors moved; not <code>head.weight</code>" in html
    unended = (replace(SEGMENTS[0], audit=None),) * (MOST_SEGMENTS + 5)
    html = panel(report(record(two_phases(), segments=unended))).html
    assert html.count("its end was not audited") == MOST_SEGMENTS
    assert "and 5 more" in html


def test_stages_and_phases_are_escaped():
    history = (epoch('"><b>', 0, stages={'"><i>': FROZEN, "head": TRAINS}),)
    html = panel(report(record(history, segments=()))).html
    assert "<b>" not in html
    assert "<i>" not in html
    assert "Frozen means frozen" not in html


def test_a_run_without_signals_or_no_run():
    assert "recorded nothing about its stages" in panel(report(record((epoch("head", 0),)))).html
    assert panel(report()) is None


def test_a_thousand_stages_and_ten_thousand_epochs_are_small():
    stages = {f"stage{n}": FROZEN for n in range(1000)}
    one = epoch("all", 0, stages=stages)
    history = tuple(replace(one, epoch=n) for n in range(1000))
    html = panel(report(record(history, segments=SEGMENTS * 1000))).html
    assert len(html) < 1_500_000
    assert "Neighbours share a cell." in html
