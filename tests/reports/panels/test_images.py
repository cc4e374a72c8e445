from functools import partial

from reported import EVIL_CLASSES, EVIL_NAME, jpeg, predicted_of, report_of
from tlf.reports.panels.images import WITHOUT_SCRIPT, panel
from tlf.reports.thumbnails import MOST_THUMBNAILS
from tlf.results import Neighbour

CLASSES = ("ant", "bee")


def test_what_is_known_of_each_image_stands_in_one_order():
    predicted = predicted_of([0, 0, 1], [0, 1, 1], CLASSES)
    data = panel(report_of(predicted)).data
    assert data["names"] == ["val/001.jpg", "val/000.jpg", "val/002.jpg"]
    assert data["labels"] == [0, 0, 1]
    assert data["predicted"] == [1, 0, 1]
    assert data["own"] == [0.225, 0.6, 0.95]
    assert data["right"] == [1, 1]
    assert (data["files"], data["thumbnails"]) == ([], {})


def test_a_thumbnail_is_in_the_page_once():
    labels = [0] * (WITHOUT_SCRIPT + 5)
    near = {0: (Neighbour("train/a.jpg", "bee", 0.9, partial(jpeg, 7)),)}
    predicted = predicted_of(labels, labels, CLASSES)
    made = panel(report_of(predicted, read=jpeg, neighbours=near))
    files = made.data["files"]
    assert len(files) == len(labels) + 1
    shown = WITHOUT_SCRIPT + 1  # and the neighbour of the first
    assert made.html.count('src="data:image/jpeg') == files.count(None) == shown
    assert made.data["near"][0][0][:3] == ["train/a.jpg", "bee", 0.9]


def test_thumbnails_are_bounded_and_a_broken_image_has_none():
    labels = [0] * (MOST_THUMBNAILS + 50)
    made = panel(report_of(predicted_of(labels, labels, CLASSES), read=jpeg))
    assert len(made.data["files"]) == len(made.data["thumbnails"]) == MOST_THUMBNAILS
    made = panel(report_of(predicted_of([0], [0], CLASSES), read=lambda index: b"broken"))
    assert "data-empty" in made.html


def test_without_images_there_are_names_only():
    near = {0: (Neighbour("train/a.jpg", "bee", 0.9),)}
    made = panel(report_of(predicted_of([0], [1], CLASSES), neighbours=near))
    assert "<img" not in made.html
    assert "val/000.jpg" in made.html
    assert "bee" in made.html


def test_names_are_escaped():
    predicted = predicted_of([0], [1], EVIL_CLASSES, names=(EVIL_NAME,))
    html = panel(report_of(predicted, read=jpeg)).html
    assert "<script" not in html
    assert "src=x" not in html.replace("img src=x onerror=alert(1)&gt;", "")
