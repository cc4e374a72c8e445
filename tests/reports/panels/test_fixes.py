"""What to change: one decision for each image."""

from io import BytesIO

from PIL import Image

from checked_images import EVERYTHING, checked, image
from tlf.checks.findings import OddSize
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
