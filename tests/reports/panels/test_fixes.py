"""What to change: one decision for each image."""

import csv
import time
from io import BytesIO

import pytest
from PIL import Image

from browsers import OWN, needs_axe
from checked_images import EVERYTHING, checked, image
from tlf.checks.findings import OddSize
from tlf.reports.check_page import write_check
from tlf.reports.panels import fixes
from tlf.reports.panels.fixes import fixes_panel


def test_each_row_of_the_file_is_listed():
    panel = fixes_panel(checked(**EVERYTHING))
    assert (panel.id, panel.title) == ("fixes", "What to change")
    assert panel.html.count("<li data-split") == 9
    assert panel.html.count('data-leave="yes"') == 2
    assert panel.html.count('data-proposed="fly"') == 1
    assert "<img" not in panel.html  # none of these images can be read
    assert panel.data["classes"] == ["ant", "bee", "fly"]


def test_nothing_to_change():
    assert fixes_panel(checked()) is None


def test_decisions_belong_to_the_labelled_images():
    one, other = (
        fixes_panel(checked(**found)) for found in (EVERYTHING, EVERYTHING | {"suspects": ()})
    )
    assert one.data["id"] == other.data["id"]


def test_pictures_of_the_first_rows_and_a_count_of_the_rest(monkeypatch):
    stream = BytesIO()
    Image.new("RGB", (20, 10)).save(stream, "PNG")
    monkeypatch.setattr("checked_images.read", lambda index: stream.getvalue())
    monkeypatch.setattr(fixes, "MOST", 5)
    monkeypatch.setattr(fixes, "MOST_THUMBNAILS", 2)
    odd = tuple(OddSize(image("train", i), 20, 10, "odd") for i in range(7))
    html = fixes_panel(checked(odd_sizes=odd)).html
    assert html.count('<img src="data:image/jpeg;base64,') == 2
    assert html.count("<li data-split") == 5
    assert "fixes.csv has 2 more rows." in html


# In a browser


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """The page of a check, in a browser that has not seen it before."""
    folder = write_check(checked(**EVERYTHING), tmp_path_factory.mktemp("check") / "found")
    browser.requests(), browser.complaints()
    browser.open(folder / "check.html")
    return browser


def rows_of(file):
    """The rows of a file that the browser is writing."""
    deadline = time.monotonic() + 10
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with file.open(newline="", encoding="utf-8") as lines:
        rows = {row["path"]: row for row in csv.DictReader(lines)}
    file.unlink()
    return rows


def choose(opened, path, value):
    """What becomes of an image, as somebody who chooses it from the list."""
    opened.do(
        'const s = document.querySelector(`li[data-path="${arguments[0]}"] select`);'
        "s.focus(); s.value = arguments[1]; s.dispatchEvent(new Event('change'))",
        path,
        value,
    )


def test_decisions_are_made_kept_and_downloaded(opened, tmp_path):
    assert opened.one("#changes-count").text == "2 images left out, 0 labels corrected."
    choose(opened, "t6.jpg", "class fly")
    choose(opened, "t4.jpg", "class ant")
    choose(opened, "t0.jpg", "keep")
    opened.driver.refresh()
    assert opened.one("#changes-count").text == "1 image left out, 2 labels corrected."
    opened.click("#changes-download")
    rows = rows_of(opened.downloads / "fixes.csv")
    changes = {name: (row["new_label"], row["leave_out"]) for name, row in rows.items()}
    assert changes == {
        "gone.jpg": ("", "yes"), "t0.jpg": ("", ""), "t6.jpg": ("fly", ""), "t4.jpg": ("ant", "")
    }  # fmt: skip
    assert rows["t4.jpg"]["reason"].startswith("the same bytes as train image t3.jpg")
    opened.click("#changes-reset")
    assert opened.one("#changes-count").text == "2 images left out, 0 labels corrected."
    assert all(address.startswith(OWN) for address in opened.requests())
    assert opened.complaints() == []


@needs_axe
def test_everybody_can_use_it(opened):
    assert opened.serious_faults() == []
