"""Notes stand on a page where there are some."""

from tlf.reports.panels.notes import notes_panel


def test_notes_are_escaped_and_none_are_no_panel():
    assert notes_panel([]) is None
    panel = notes_panel(["<b>a.jpg</b> cannot be read"])
    assert panel.title == "Notes"
    assert "&lt;b&gt;a.jpg" in str(panel.html)
