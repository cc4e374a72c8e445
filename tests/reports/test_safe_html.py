"""HTML of plugins: what is allowed stays, what is not is named, and nothing else gets through."""

from html.parser import HTMLParser

import pytest

from broken import report_panels as broken
from tlf.reports.allowed_html import ATTRIBUTES, ELEMENTS
from tlf.reports.safe_html import safe_html

CHART = (
    '<figure><svg viewBox="0 0 10 10" role="img" aria-labelledby="t d"><title id="t">A &amp; b'
    '</title><desc id="d">url(of) text</desc><defs><clipPath id="c"><rect width="9"/></clipPath>'
    '</defs><g clip-path="url(#c)" style="fill: url(\'#c\'); stroke: rgb(1, 2, 3)">'
    '<path d="M0 0L9 9" stroke="currentColor"/><use xlink:href="#c"/></g></svg></figure>'
)


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("<P>A<BR>b</P>", "<p>A<br>b</p>"),
        ("<p title='\"&gt;<script>'>x</p>", '<p title="&#34;&gt;&lt;script&gt;">x</p>'),
        ("<p title='see url(x) and a\\b'>x</p>", '<p title="see url(x) and a\\b">x</p>'),
        ("<details open><summary>s</summary></details>",
         '<details open=""><summary>s</summary></details>'),
        ("<a href='#i'>x</a><b id=i>y</b>", '<a href="#n-i">x</a><b id="n-i">y</b>'),
        ("<p style='COLOR: red; margin-top: calc(1em + 2px)'>x</p>",
         '<p style="COLOR: red; margin-top: calc(1em + 2px)">x</p>'),
        ("<img src='data:image/png;base64,iVBO' alt=''>",
         '<img src="data:image/png;base64,iVBO" alt="">'),
    ],
)  # fmt: skip
def test_what_is_allowed_is_written_anew(given, written):
    assert safe_html(given, "n") == written
    assert "<" not in safe_html(written, "m").replace(written, "") or "n-i" in written


def test_a_chart_stays_and_its_ids_are_its_own():
    text = safe_html(CHART, "plugin-x-a")
    for part in ('aria-labelledby="plugin-x-a-t plugin-x-a-d"', "A &amp; b", "url(of) text",
                 'clip-path="url(#plugin-x-a-c)"', "fill: url(#plugin-x-a-c)",
                 'xlink:href="#plugin-x-a-c"'):  # fmt: skip
        assert part in text


SNEAKY = [
    "<svg><style>{}</style></svg>", "<math><mtext>{}</mtext></math>", "<noscript>{}</noscript>",
    "<textarea>{}</textarea>", "<svg><foreignObject>{}</foreignObject></svg>", "<xmp>{}</xmp>",
    "<template>{}</template>", "<object data=x>{}</object>", "<svg><title>{}</title></svg>",
    "<plaintext>{}", "<![CDATA[{}]]>", "<!--{}-->", "<p title={}>x</p>", "<p title='{}'>x</p>",
    "<a href='\tjava\nscript:x()'>{}</a>", "<p/onclick=x()>{}</p>", "<p {}>x</p>",
    "<base href=//x>{}",
    "<meta http-equiv=refresh content=0>{}", "<link rel=stylesheet href=//x>{}", "<p>{}", "<{}",
    "<p style=\"fill: url('#a\\');{}\">x</p>", "&lt;script&gt;{}", "<image href=x>{}</image>",
]  # fmt: skip
BAD = "<img src=x onerror=alert(1)>"


class Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.elements = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, attrs))


@pytest.mark.parametrize("around", SNEAKY)
@pytest.mark.parametrize("bad", [BAD, "</p></svg></title><script>alert(1)</script>", "x"])
def test_nothing_that_is_not_allowed_gets_through(around, bad):
    try:
        text = safe_html(around.replace("{}", bad), "n")
    except ValueError:
        return  # it is refused
    seen = Seen()
    seen.feed(text)
    for tag, attributes in seen.elements:
        assert tag in ELEMENTS
        for name, value in attributes:
            assert name in ATTRIBUTES or name.startswith("aria-")
            assert not name.endswith(("href", "src"))
            assert name in ("title", "alt") or "(" not in (value or "")


@pytest.mark.parametrize("name", [name for name in broken.RULES if "-" in name or name == "open"])
def test_faults_are_one_line(name):
    _, make = broken.RULES[name]
    (panel,) = make()(None)
    with pytest.raises(ValueError, match=r"^.+$") as caught:
        safe_html(panel.html, "n")
    assert "\n" not in str(caught.value)
