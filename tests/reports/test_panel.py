from markupsafe import Markup

from tlf.reports.page import page
from tlf.reports.panel import Panel


def test_a_panel_stands_under_its_own_heading_and_has_data_only_if_it_needs_some():
    html = page("A run", [Panel("one", "One & all", Markup("<p>here</p>"))])
    assert '<section id="one" aria-labelledby="one-title"' in html
    assert '<h2 id="one-title">One &amp; all</h2>\n<p>here</p>' in html
    assert "application/json" not in html
