"""Images with missed and with wrong labels."""

from dataclasses import replace

from label_sets import LABEL_SETS, marked
from reported import EVIL_CLASSES, EVIL_NAME, jpeg
from tlf.reports.multi_label.errors import panel
from tlf.reports.ranking import listed_errors, mistakes
from tlf.reports.report import report_of


def made():
    found = marked(
        [[1, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 0]],
        [[0.1, 0.2, 0.9], [0.4, 0.9, 0], [0.8, 0.9, 0.6], [0.9, 0.9, 0.1]],
        classes=EVIL_CLASSES,
    )
    return replace(found, names=(EVIL_NAME, *found.names[1:]))


def test_the_most_confident_mistake_comes_first():
    found = made()
    assert mistakes(found, found.missed).tolist() == [0, 1]
    assert mistakes(found, found.wrong).tolist() == [1, 2]
    assert listed_errors(found) == [0, 1, 2]


def test_names_are_text_and_thumbnails_are_there():
    found = made()
    report = replace(report_of("mine", found, found.evaluation()), read=lambda image: jpeg(image))
    html = str(panel(report).html)
    assert "<script>" not in html
    assert "<img src=x" not in html
    assert html.count("data:image/jpeg;base64,") == 4
    assert "gives 1 of 4 images exactly their labels" in html


def test_without_a_mistake_it_says_so():
    found = LABEL_SETS["perfect"]()
    html = str(panel(report_of("mine", found, found.evaluation())).html)
    assert html.count("There are none.") == 2
