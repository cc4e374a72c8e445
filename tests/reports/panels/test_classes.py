from reported import EVIL_CLASSES, predicted_of, report_of
from tlf.reports.panels.classes import ROWS, panel


def test_a_row_for_each_class_and_a_dash_where_a_figure_is_not_defined():
    made = panel(report_of(predicted_of([0, 0, 1], [0, 1, 1], ("ant", "bee", "fly"))))
    assert [row[:2] for row in made.data["rows"]] == [["ant", 2], ["bee", 1], ["fly", 0]]
    assert made.data["rows"][0][3][0] == 0.5  # recall
    assert made.data["rows"][2][2:] == [[None, None, None]] * 3
    assert made.html.count("–</small>") == 3
    assert made.data["sort"] == "class"


def test_of_many_classes_the_worst_are_shown_first():
    count = ROWS + 20
    labels = [*range(count)]
    guesses = [*labels[:-1], 0]
    made = panel(report_of(predicted_of(labels, guesses, [f"class {i}" for i in labels])))
    assert made.html.count('<th scope="row">') == ROWS
    assert f"class {count - 1}<" in made.html.split('<th scope="row">')[1]
    assert (made.data["sort"], len(made.data["rows"])) == ("f1", count)


def test_names_are_escaped():
    html = panel(report_of(predicted_of([0, 1, 2], [0, 1, 2], EVIL_CLASSES))).html
    assert "<script" not in html
    assert "<b>" not in html
