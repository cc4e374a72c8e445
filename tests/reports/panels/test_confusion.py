import numpy as np

from reported import EVIL_CLASSES, predicted_of, report_of
from tlf.reports.panels.confusion import WHOLE, WORST, matrix, pairs, panel, shown_classes


def test_pairs_are_counted_by_label_and_prediction():
    predicted = predicted_of([0, 0, 0, 1, 1], [1, 1, 0, 0, 1], ("ant", "bee"))
    found = [
        (pair.cell, pair.label, pair.images, pair.share)
        for pair in pairs(report_of(predicted).evaluation)
    ]
    assert found == [("0,1", "ant", 2, 2 / 3), ("1,0", "bee", 1, 0.5)]
    assert matrix(predicted, [0, 1]).tolist() == [[1, 2], [1, 1]]


def test_of_many_classes_the_worst_are_shown_and_the_others_together():
    count = WHOLE + 10
    rng = np.random.default_rng(0)
    labels = rng.integers(0, count, 500)
    guesses = np.where(labels % 2, labels, rng.integers(0, count, 500))
    predicted = predicted_of(labels, guesses, [f"class {i}" for i in range(count)])
    shown = shown_classes(predicted)
    assert len(shown) == WORST
    counts = matrix(predicted, shown)
    assert counts.sum() == 500
    assert counts[0, 0] == ((labels == shown[0]) & (guesses == shown[0])).sum()
    others = ~np.isin(labels, shown)
    assert counts[-1].sum() == others.sum()
    made = panel(report_of(predicted))
    assert made.data["shown"] == shown
    assert 'data-cell="o,o"' in made.html


def test_a_cell_is_a_button_that_says_what_it_counts():
    html = panel(report_of(predicted_of([0, 0, 1, 2], [1, 0, 1, 2], EVIL_CLASSES))).html
    assert "<script" not in html
    assert html.count('data-cell="0,1"') == 2  # in the matrix, and among the pairs
    assert "1 image, 50 % of the row" in html
    assert "No image is confused" in panel(report_of(predicted_of([0], [0], ("ant", "bee")))).html
