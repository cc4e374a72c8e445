from time import monotonic

import numpy as np
import pytest

from reported import jpeg, predicted_of, report_of
from tlf.metrics.predicted import Predicted
from tlf.reports.report_page import panels_of, write_report_page


def test_panels_stand_in_the_order_of_the_page(tmp_path):
    report = report_of(predicted_of([0, 1, 1], [0, 1, 0], ("ant", "bee")))
    ids = [panel.id for panel in panels_of(report)]
    assert ids[0] == "verdict"
    assert ids.index("classes") < ids.index("confusion") < ids.index("images")
    write_report_page(report, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "3 images, 2 classes" in html


def drawn(classes, images):
    """Images of many classes, of which a third is wrong."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, images)
    guesses = np.where(rng.random(images) < 0.67, labels, rng.integers(0, classes, images))
    probabilities = np.full((images, classes), 0.3 / (classes - 1))
    probabilities[np.arange(images), guesses] = 0.7
    names = tuple(f"val/n{label:08}/image_{i:08}.JPEG" for i, label in enumerate(labels))
    kinds = tuple(f"n{i:08} a class" for i in range(classes))
    return Predicted(names, labels, probabilities, kinds)


def test_many_classes(tmp_path):
    report = report_of(drawn(1000, 2000), read=lambda image: jpeg(image % 8))
    write_report_page(report, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count("<tr>") < 200  # the script adds the others
    assert "The 20 of 1,000 classes with the most errors" in html


@pytest.mark.slow
def test_a_page_of_a_thousand_classes_and_fifty_thousand_images_is_small_and_opens(
    browser, tmp_path
):
    path = tmp_path / "report.html"
    write_report_page(report_of(drawn(1000, 50_000), read=lambda image: jpeg(image, side=96)), path)
    assert path.stat().st_size < 6_000_000
    started = monotonic()
    browser.open(path)
    assert len(browser.all("#images-list > li")) == 24
    assert monotonic() - started < 3
