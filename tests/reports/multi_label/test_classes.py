"""The table of classes."""

from label_sets import LABEL_SETS, drawn_sets
from tlf.reports.multi_label.classes import panel, plots_of
from tlf.reports.report import report_of


def test_a_row_has_ap_and_the_figures_at_the_threshold():
    found = drawn_sets(40, 3)
    report = report_of("mine", found, found.evaluation())
    data = panel(report).data
    assert data["columns"] == ["class", "n", "ap", "precision", "recall", "f1", "threshold"]
    name, images, ap, *_, threshold = data["rows"][0]
    one = report.evaluation.per_class[0]
    assert (name, images, ap[0]) == (one.name, one.support, round(one.ap.value, 4))
    assert threshold == [0.3, None, None]


def test_of_many_classes_the_worst_stand_on_the_page():
    found = drawn_sets(8, 120)
    html = panel(report_of("mine", found, found.evaluation())).html
    assert html.count("<tr>") < 120
    assert "the 100 worst of 120 classes" in html


def test_without_a_curve_there_is_no_plot():
    found = LABEL_SETS["no label"]()
    assert [*plots_of(report_of("mine", found, found.evaluation()))] == []
