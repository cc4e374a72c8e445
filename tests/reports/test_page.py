import json
import re

from markupsafe import Markup

from tlf.reports.page import page, write_page
from tlf.reports.panel import Panel

EVIL = "</script><script>alert(1)</script>&\u2028"


def test_what_panels_show_cannot_end_the_element_that_it_stands_in():
    html = page(EVIL, [Panel("one", EVIL, Markup("<p>safe</p>"), {"name": EVIL})], subtitle=EVIL)
    assert "<script>alert" not in html
    (data,) = re.findall(r'<script type="application/json" id="data-one">(.*?)</script>', html)
    assert json.loads(data) == {"name": EVIL}
    assert "<p>safe</p>" in html


def test_the_page_allows_its_own_scripts_and_nothing_from_elsewhere():
    html = page("A run", [])
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "http" not in policy
    assert not re.search(r'(?:src|href)="(?!#)', html)


def test_a_page_is_written_whole(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("the one before")
    write_page(path, "A run", [Panel("one", "One", Markup("<p>ä</p>"))])
    assert path.read_text(encoding="utf-8").endswith("</html>")
    assert [*tmp_path.iterdir()] == [path]
