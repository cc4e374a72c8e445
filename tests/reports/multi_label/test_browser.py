"""The page of images with any number of labels in a real browser."""

from dataclasses import replace

import pytest

from browsers import OWN, needs_axe
from label_sets import drawn_sets
from reported import EVIL_CLASSES, EVIL_NAME, jpeg
from tlf.reports.report import report_of
from tlf.reports.report_page import write_report_page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    found = drawn_sets(60, 3, skill=1)
    found = replace(found, classes=EVIL_CLASSES, names=(EVIL_NAME, *found.names[1:]))
    report = replace(report_of("mine", found, found.evaluation()), read=jpeg)
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report_page(report, path)
    return path


def test_the_page_loads_nothing_and_runs_no_markup(browser, page):
    browser.requests(), browser.complaints()
    browser.open(page)
    assert browser.complaints() == []
    assert all(address.startswith(OWN) for address in browser.requests())
    assert len(browser.all("#errors img")) > 0
    assert browser.one("#errors .name").text.strip()
    assert browser.one("#verdict").text.startswith("Verdict")


def test_classes_are_sorted_and_found(browser, page):
    browser.open(page)
    browser.click('#classes-table [data-key="ap"] button')
    shown = [float(text.split()[0]) for text in browser.texts("#classes-table td:nth-child(3)")]
    assert shown == sorted(shown)
    assert len(browser.all("#classes-table tbody tr")) == 3
    threshold = browser.one("#classes-table tbody td:last-child")
    assert threshold.text.endswith("%")  # a threshold has no interval
    assert browser.all("#classes-table tbody button") == []  # no images by class to lead to
    browser.do(
        "const f = document.getElementById('classes-find'); f.value = 'quoted';"
        "f.dispatchEvent(new Event('input'))"
    )
    assert len(browser.all("#classes-table tbody tr")) == 1


@needs_axe
def test_everybody_can_use_it(browser, page):
    browser.open(page)
    assert browser.serious_faults() == []
