"""The report in a real browser: what can be clicked, what is kept, what never happens."""

import csv
import time
from functools import partial

import pytest
from markupsafe import Markup
from selenium.webdriver.common.keys import Keys

from browsers import OWN, needs_axe
from reported import EVIL_CLASSES, EVIL_NAME, jpeg, predicted_of, report_of
from tlf.reports.page import write_page
from tlf.reports.panel import Panel
from tlf.reports.report_page import write_report_page
from tlf.results import Neighbour

LABELS = [0] * 10 + [1] * 10 + [2] * 10
GUESSES = [0] * 6 + [1] * 4 + [1] * 9 + [2] + [2] * 10
"""Four images of the first class are taken for the second, one of the second for the third."""
PREDICTED = predicted_of(LABELS, GUESSES, EVIL_CLASSES)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of three classes and 30 images, whose names are markup."""
    names = (EVIL_NAME, *PREDICTED.names[1:])
    predicted = predicted_of(LABELS, GUESSES, EVIL_CLASSES, names=names)
    near = (Neighbour(EVIL_NAME, EVIL_CLASSES[0], 0.91, partial(jpeg, 99)),)
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report_page(report_of(predicted, read=jpeg, neighbours={6: near}), path)
    return path


@pytest.fixture
def opened(browser, page):
    browser.open(page)
    browser.do("localStorage.clear()")
    browser.requests(), browser.complaints()
    browser.open(page)
    return browser


def test_a_cell_of_the_confusion_matrix_leads_to_its_images(opened):
    opened.click('#confusion-matrix [data-cell="0,1"]')
    assert len(opened.all("#images-list > li")) == 4
    assert opened.one("#images-status").text.startswith("4 images: label <script>alert(1)")
    assert "cell=0%2C1" in opened.driver.current_url
    opened.driver.refresh()
    assert len(opened.all("#images-list > li")) == 4
    opened.click("#images-every")
    assert len(opened.all("#images-list > li")) == 24
    opened.driver.back()
    assert len(opened.all("#images-list > li")) == 4


def test_the_orders(opened):
    def shown():
        return opened.texts("#images-list .name")

    assert shown()[0] == "val/019.jpg"  # the surest of the wrong ones
    opened.click('[data-order="unsure"]')
    assert shown()[0] == EVIL_NAME
    opened.click('[data-order="sure"]')
    assert shown()[0] == "val/029.jpg"
    assert set(opened.texts("#images-list strong")) == {"right"}
    opened.click("#images-more")
    assert len(shown()) == 25


def test_a_wrong_label_is_ticked_kept_and_downloaded(opened):
    first, second = opened.all("#images-list > li")[:2]
    for card in (first, second):
        opened.do("arguments[0].querySelector('input').click()", card)
    opened.do(
        "const s = arguments[0].querySelector('select'); s.value = 'leave out';"
        "s.dispatchEvent(new Event('change'))",
        second,
    )
    opened.driver.refresh()
    ticked = opened.do("return [...document.querySelectorAll('#images-list input:checked')].length")
    assert ticked == 2
    assert opened.one("#fixes-count").text == "2 labels are ticked as wrong."
    opened.click("#fixes-download")
    rows = downloaded(opened.downloads / "fixes.csv")
    assert [*rows[0]] == ["split", "path", "label", "new_label", "leave_out", "reason"]
    wrong = {"split": "eval", "path": "val/019.jpg", "label": EVIL_CLASSES[1]}
    assert rows[0].items() >= {**wrong, "new_label": EVIL_CLASSES[2], "leave_out": ""}.items()
    assert (rows[1]["new_label"], rows[1]["leave_out"]) == ("", "yes")
    opened.click("#fixes-clear")
    assert opened.do("return localStorage.length") == 0


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_tick_is_about_the_split_of_the_page(browser, tmp_path, split):
    write_report_page(report_of(PREDICTED, split=split), tmp_path / "page.html")
    browser.open(tmp_path / "page.html")
    browser.click("#images-list input")
    browser.click("#fixes-download")
    (row,) = downloaded(browser.downloads / "fixes.csv")
    assert (row["split"], row["path"]) == (split, "val/019.jpg")
    browser.driver.refresh()
    assert len(browser.all("#images-list input:checked")) == 1
    browser.click("#fixes-clear")


def test_labels_of_images_of_no_split_cannot_be_ticked(browser, tmp_path):
    write_report_page(report_of(PREDICTED, split=None), tmp_path / "page.html")
    browser.open(tmp_path / "page.html")
    browser.complaints()
    assert browser.all("#images input, .fixes") == []
    browser.click("#images-more")
    assert len(browser.all("#images-list > li")) == 30
    assert browser.do("return document.activeElement.matches('#images-list > li:nth-child(25)')")
    assert browser.complaints() == []


def test_what_the_browser_kept_may_be_damaged(opened):
    opened.do("report.fixes(report.data('images').id).set({split: 'eval', path: 'a'})")
    opened.driver.refresh()
    assert len(opened.all("#images-list > li")) == 24
    assert opened.one("#fixes-count").text == "No labels are ticked as wrong."
    assert opened.complaints() == []


def downloaded(path):
    """The rows of a file that the browser is writing."""
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    path.unlink()
    return rows


def test_the_keyboard_is_enough(opened):
    body = opened.one("body")
    body.send_keys(Keys.TAB)
    skip = opened.driver.switch_to.active_element
    assert skip.text == "Skip to the content"
    skip.send_keys(Keys.ENTER)
    assert opened.do("return document.activeElement.id") == "main"
    cell = opened.one('#confusion-matrix [data-cell="1,2"]')
    cell.send_keys(Keys.ENTER)
    assert opened.do("return document.activeElement.id") == "images"
    assert len(opened.all("#images-list > li")) == 1
    opened.one("#images-list input").send_keys(Keys.SPACE)
    assert opened.one("#images-list select").is_displayed()


def test_classes_are_sorted_and_found(opened):
    opened.click('#classes-table th[data-key="recall"] button')
    assert opened.texts("#classes-table tbody th")[0] == EVIL_CLASSES[0]
    assert opened.one('th[data-key="recall"]').get_attribute("aria-sort") == "ascending"
    opened.one("#classes-find").send_keys("bold")
    assert opened.texts("#classes-table tbody th") == [EVIL_CLASSES[1]]
    opened.click("#classes-table tbody button")
    assert len(opened.all("#images-list > li")) == 14  # its ten images, and four taken for it


def test_nothing_is_loaded_and_markup_is_inert(opened):
    assert [url for url in opened.requests() if not url.startswith(OWN)] == []
    assert opened.complaints() == []
    assert opened.all("img[src=x]") == []
    assert opened.all("main b, main script") == []
    assert EVIL_NAME in opened.do("return document.getElementById('images-list').innerText")
    opened.do("fetch('https://example.org').catch(() => {})")
    opened.do("document.body.setAttribute('onclick', 'document.title = 1'); document.body.click()")
    assert opened.driver.title == "mine"
    time.sleep(0.1)
    assert "Content Security Policy" in " ".join(opened.complaints())


def test_a_panel_of_a_plugin_covers_no_other_part(browser, tmp_path):
    moved = '<div style="transform: translate(0px, -300px) scale(20)">cover</div>'
    own, other = Panel("verdict", "Verdict", "fine"), Panel("plugin-x-a", "A", Markup(moved))
    write_page(tmp_path / "page.html", "mine", [own, other])
    browser.open(tmp_path / "page.html")
    found = browser.do(
        "const at = document.querySelector('h1').getBoundingClientRect();"
        "return document.elementFromPoint(at.x + 5, at.y + 5).closest('section') === null"
    )
    assert found


@needs_axe
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_axe_finds_nothing_serious(opened, scheme, width):
    opened.media(scheme, width)
    assert opened.serious_faults() == []
    assert opened.do("return document.documentElement.scrollWidth") <= width
    opened.media("light", 1280)


def test_without_scripts_the_figures_are_there(browser, page):
    browser.scripts(on=False)
    try:
        browser.open(page)
        assert "83.3" in browser.one("#verdict").text
        assert len(browser.all("#images-list > li")) == 12
        assert not browser.one("#fixes-download").is_displayed()
        assert len(browser.all("#classes-table tbody tr")) == 3
    finally:
        browser.scripts(on=True)
