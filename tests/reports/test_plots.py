"""Plots: what they show equals the numbers, and what is drawn harms no page."""

import os
import re
from dataclasses import replace
from math import inf, nan
from multiprocessing import Pipe
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from histories import SEGMENTS, epoch, predicted, record, report, two_phases
from tlf.metrics.evaluation import evaluation
from tlf.metrics.predicted import Predicted
from tlf.metrics.selective_prediction import answering
from tlf.reports.plots.background import drawn_in_background
from tlf.reports.plots.calibration import answering_plot, reliability_plot
from tlf.reports.plots.confusion import confusion_plot
from tlf.reports.plots.curves import curve_plots, extremes, thaws
from tlf.reports.plots.draw import chart, write_plot
from tlf.reports.plots.plot import COLOURS, MOST_ROWS, Plot, Table, every_nth, number
from tlf.reports.plots.stages import stages_plot
from tlf.reports.plots.two_classes import two_class_plots
from tlf.reports.plots.write import plots_of, write_plots
from tlf.reports.report_page import panels_of, plots_on_page
from tlf.reports.stage_timeline import strip
from tlf.tasks.metric import Metric

EVIL = "</svg><script>alert(1)</script>"


def svg(plot):
    return ElementTree.fromstring(str(chart(plot).svg))


def texts(root):
    return [element.text for element in root.iter("text")]


def marks(root, shape="use"):
    return [element for element in root.iter() if element.tag.endswith(shape)]


def test_a_chart_says_what_it_is_and_reaches_nothing_else():
    made = chart(next(curve_plots(two_phases(), SEGMENTS, two_phases()[-1])))
    root = ElementTree.fromstring(str(made.svg))
    assert root.get("role") == "img"
    ids = {element.get("id"): element for element in root.iter() if element.get("id")}
    title, description = (ids[one] for one in root.get("aria-labelledby").split())
    assert (title.tag, title.text) == ("title", "Loss by epoch")
    assert "5 epochs; phases: head, all" in description.text
    assert all(one.startswith("curve-loss-") for one in ids)
    assert not marks(root, "style")
    for element in root.iter():
        assert "style" not in element.attrib
        for name, value in element.attrib.items():
            assert not re.search(r"https?:|data:", value)
            for reference in re.findall(r"url\(#(.+?)\)", value) + (
                [value[1:]] if name == "href" else []
            ):
                assert reference in ids
    colours = {element.get(kind) for element in root.iter() for kind in ("fill", "stroke")}
    assert {one for one in colours if one} <= {
        "none", *(f"var(--{name}, {colour})" for colour, name in COLOURS.items())
    }  # fmt: skip
    assert "train" in texts(root)


def test_the_same_plot_gives_the_same_bytes_whatever_the_settings(tmp_path):
    from matplotlib import rc_context

    plot = answering_plot(answering(predicted()))
    first = chart(plot).svg
    with rc_context({"lines.linewidth": 9, "font.size": 30, "svg.fonttype": "path"}):
        assert chart(plot).svg == first
        files = write_plot(plot, tmp_path)
    before = [path.read_bytes() for path in files]
    assert [path.read_bytes() for path in write_plot(plot, tmp_path)] == before


def test_learning_curves_show_every_epoch():
    history = two_phases()
    loss, log, top1 = curve_plots(history, SEGMENTS, history[-1])
    assert [plot.name for plot in (loss, log, top1)] == [
        "curve-loss", "curve-loss-log", "curve-top1"
    ]  # fmt: skip
    assert loss.table.columns == ("epoch", "train loss", "eval loss", "thaws")
    assert loss.table.rows == (
        ("head 1", "2", "1", ""),
        ("head 2", "1", "1", ""),
        ("all 1", "0.5", "0.25", ""),
        ("all 2", "0.5", "0.25", "1 more tensors train"),
        ("all 3 (best)", "0.5", "0.25", ""),
    )
    assert top1.table.rows[-1] == ("all 3 (best)", "12.50%", "87.50%", "")
    shown = texts(svg(top1))
    assert {"head", "all", "train", "eval", "thaw", "best epoch", "80%"} <= {*shown}
    assert not [*curve_plots([], [], None)]
    f1 = Metric("macro_f1", "macro-F1", higher_is_better=True, is_rate=True)
    more = epoch("head", 0, described={"macro_f1": f1})
    more.metrics["macro_f1"] = 0.5
    *_, plot = curve_plots([more], (), more)
    assert plot.title == "Macro-F1 by epoch"
    assert plot.table.rows == (("head 1 (best)", "–", "50.00%", ""),)


def test_curves_of_one_epoch_and_of_endless_losses():
    (one,) = history = (epoch("head", 0),)
    for plot in curve_plots(history, (), one):
        root = svg(plot)
        assert len(marks(root, "use")) >= 2
        assert root.find("title").text == plot.title
    history = [epoch("head", n, loss) for n, loss in enumerate([1.0, nan, inf, -inf, 0.5])]
    loss, *_ = curve_plots(history, (), None)
    assert [row[1] for row in loss.table.rows] == ["1", "not a number", "∞", "-∞", "0.5"]
    svg(loss)
    history = [epoch("head", n, nan, nan, nan) for n in range(3)]
    plots = [*curve_plots(history, (), None)]
    assert [plot.name for plot in plots] == ["curve-loss", "curve-top1"]  # nothing to take logs of
    for plot in plots:
        svg(plot)


def test_ten_thousand_epochs_are_small():
    values = np.random.default_rng(0).random(10_000).tolist()
    history = [epoch("all", n, value) for n, value in enumerate(values)]
    loss, *_ = curve_plots(history, (), history[7])
    made = chart(loss)
    assert len(made.svg) < 60_000
    assert len(made.table.rows) <= MOST_ROWS + 2
    assert made.table.note == "one of 50 epochs; metrics.jsonl in the run's folder has all epochs"
    assert "all 8 (best)" in [row[0] for row in made.table.rows]
    assert made.table.rows[-1][0] == "all 10000"
    kept = extremes(values)
    assert len(kept) <= 1000
    assert {values.index(max(values)), values.index(min(values)), 0, 9999} <= {*kept}


def test_something_thaws_where_more_trains_than_before():
    history = two_phases()
    assert thaws(history, SEGMENTS) == {3: 1}
    refrozen = (*SEGMENTS, replace(SEGMENTS[0], phase="all", epoch=2))
    assert thaws(history, refrozen) == {3: 1}
    assert thaws(history, ()) == {}


def test_bins_and_limits_are_in_the_tables():
    of = report()
    calibration = of.evaluation.calibration
    plot = reliability_plot(calibration, calibration)
    assert [row[1] for row in plot.table.rows] == [str(count) for count in calibration.counts]
    first = calibration.counts.index(0)
    assert plot.table.rows[first][2:] == ("–", "–")
    assert {"before temperature scaling", "after", "images"} <= {*texts(svg(plot))}
    answered = answering(of.predicted)
    plot = answering_plot(answered)
    assert len(plot.table.rows) == 20
    all_of_them = answered[0]
    assert plot.table.rows[0] == ("0%", "100.0%", "40", f"{all_of_them.accuracy:.2%}")
    svg(plot)


def test_curves_of_two_classes():
    of = report().evaluation
    roc, precision_recall = two_class_plots(of)
    rows = roc.table.rows
    assert [(float(x), float(y)) for x, y in rows] == [
        (round(x, 4), round(y, 4)) for x, y in zip(of.roc.x, of.roc.y, strict=True)
    ]
    assert f"area {of.roc.area:.3f}" in texts(svg(roc))
    assert precision_recall.table.columns == ("recall", "precision")
    three = evaluation(predicted(30, ("a", "b", "c")), resamples=5)
    assert [*two_class_plots(three)] == []


def test_names_are_text_and_no_formula():
    names = (EVIL, "$\\frac{1}{0$ 🐜 \x07")
    plot = confusion_plot(evaluation(predicted(20, names), resamples=5))
    made = chart(plot)
    assert "<script" not in made.svg
    root = ElementTree.fromstring(str(made.svg))
    assert {"</svg><script>a…"[:15] + "…"} <= {*texts(root)}
    counts = [[int(cell) for cell in row[1:]] for row in plot.table.rows]
    assert np.sum(counts) == 20
    history = [replace(one, phase=EVIL) for one in two_phases()]
    assert "<script" not in chart(next(curve_plots(history, (), None))).svg


def test_a_thousand_classes_are_shades(tmp_path):
    classes = tuple(map(str, range(1001)))
    of = evaluation(predicted(50, ("a", "b")), resamples=5)
    counts = np.zeros((1001, 1001), int)
    counts[0, 0], counts[1000, 1000] = 3, 5
    plot = confusion_plot(replace(of, classes=classes, confusion=counts))
    assert plot.table.rows == ()
    picture, drawing = write_plot(plot, tmp_path)
    assert drawing.stat().st_size < 500_000
    assert picture.is_file()


def test_the_strip_on_paper_has_patterns_and_words():
    plot = stages_plot(strip(two_phases()))
    assert plot.table.rows[:3] == (
        ("head 1", "head", "trains", "1.00e-01", "0.5", "1.00e-02"),
        ("head 1", "layer1", "frozen", "–", "–", "–"),
        ("head 1", "stem", "frozen", "–", "–", "–"),
    )
    assert "layer1: frozen in 2, trains in 3" in plot.description
    root = svg(plot)
    assert {"frozen", "trains", "head", "stem"} <= {*texts(root)}
    assert [one for one in texts(root) if one and one.isdigit()] == ["1", "2", "1", "2", "3"]
    assert marks(root, "pattern")


def test_every_plot_is_written_for_papers(tmp_path, monkeypatch):
    made = report(record(two_phases()))
    every = [*plots_of(made)]
    assert [plot.name for plot in every] == [
        "curve-loss", "curve-loss-log", "curve-top1", "stages", "confusion", "reliability",
        "answering", "roc", "precision-recall",
    ]  # fmt: skip
    # Each of them is drawn by another test.
    monkeypatch.setattr("tlf.reports.plots.write.plots_of", lambda _: every[:1])
    files = write_plots(made, tmp_path / "new" / "plots")
    assert [path.name for path in files] == ["curve-loss.png", "curve-loss.svg"]
    with Image.open(files[0]) as image:
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        assert image.width == 1040
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    text = files[1].read_text()
    assert "var(" not in text
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"


def test_no_image_leaves_no_plot_of_probabilities():
    none = Predicted((), np.zeros(0, int), np.zeros((0, 2)), ("a", "b"))
    empty = replace(report(), predicted=none)
    assert "answering" not in [plot.name for plot in plots_of(empty)]


def test_numbers_and_rows():
    assert number(float("-inf")) == "-∞"
    assert every_nth([("a",)]) == ((("a",),), 1)
    assert every_nth([]) == ((), 1)
    rows, step = every_nth([(str(n),) for n in range(401)], [7])
    assert (len(rows), step, rows[-1]) == (136, 3, ("400",))
    assert ("7",) in rows
    plain = Plot("x", "t", "d", lambda figure: figure.subplots(), Table((), ()))
    assert svg(plain).get("viewBox")


def test_another_process_draws_the_same(monkeypatch):
    monkeypatch.setattr("tlf.reports.plots.background.usable_cores", lambda: 2)
    plot = curve()
    draw = drawn_in_background(lambda: iter([plot]))
    assert draw is not chart
    monkeypatch.setattr("tlf.reports.plots.background.chart", None)
    assert draw(plot) == draw(plot) == chart(plot)


def test_an_error_of_the_other_process_is_raised_in_this_one(monkeypatch):
    monkeypatch.setattr("tlf.reports.plots.background.usable_cores", lambda: 2)
    wrong = replace(curve(), draw=lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        drawn_in_background(lambda: iter([wrong]))(wrong)


def test_charts_of_a_process_that_is_killed_while_it_sends_are_drawn_here(monkeypatch):
    monkeypatch.setattr("tlf.reports.plots.background.usable_cores", lambda: 2)
    draw = drawn_in_background(list)
    draw._drawing, sending = Pipe(duplex=False)
    os.write(sending.fileno(), (1000).to_bytes(4, "big") + b"the rest never comes")
    sending.close()
    assert draw(curve()) == chart(curve())


def test_one_core_draws_when_it_is_asked_to(monkeypatch):
    monkeypatch.setattr("tlf.reports.plots.background.usable_cores", lambda: 1)
    assert drawn_in_background(list) is chart


def test_a_page_draws_the_plots_that_another_process_is_told_to_draw():
    asked = []

    def draw(plot):
        asked.append(plot.name)
        return chart(plot)

    of = replace(report(run=record(two_phases())), draw=draw)
    panels_of(of)
    assert asked == [plot.name for plot in plots_on_page(of)]
    assert len(asked) >= 4


def curve():
    return next(curve_plots(two_phases(), SEGMENTS, None))
