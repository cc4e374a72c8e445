"""Classes that come together."""

from label_sets import LABEL_SETS, marked
from tlf.reports.multi_label.co_occurrence import Pair, pairs_of, panel
from tlf.reports.report import report_of


def test_pairs_of_labels_and_of_predictions():
    found = marked(
        [[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]],
        [[0.9, 0.9, 0], [0.9, 0, 0], [0.9, 0, 0.9], [0, 0, 1]],
    )
    assert [*pairs_of(found.evaluation())] == [
        Pair("class 0", "class 1", 2, 1, 1.0),
        Pair("class 0", "class 2", 0, 1, 0.0),
    ]


def test_where_no_image_has_two_there_is_no_panel():
    found = LABEL_SETS["perfect"]()
    assert panel(report_of("mine", found, found.evaluation())) is None
