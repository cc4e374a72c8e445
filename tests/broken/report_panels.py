"""Panels of reports: functions."""

import random

from broken.rules import Rules, again
from tlf.reports.panel import Panel

RULES = Rules()


def whole(report):
    return [Panel("figures", "Figures", f"<p>{len(report.predicted)} images</p>")]


def panels(message):
    """Note panels that break a rule."""
    return lambda function: RULES.note(function.__name__, message, lambda: function)


def html(name, message, text):
    """Note HTML that breaks a rule."""
    RULES.note(name, message, lambda: lambda report: [Panel("a", "A", text)])


@panels("the result must be a list of Panel, got None")
def nothing(report):
    return None


@panels("the result must be a list of Panel, got a str in it")
def texts(report):
    return ["<p>text</p>"]


@panels("panel 'a': its id must be unique, got it twice")
def twice(report):
    return [Panel("a", "A", ""), Panel("a", "B", "")]


@panels("panel 'Two words': id must be small letters, digits and hyphens")
def named(report):
    return [Panel("Two words", "A", "")]


@panels("panel 'a': title must be a line of 1 to 60 letters, got ''")
def untitled(report):
    return [Panel("a", "", "")]


@panels("panel 'a': html must be text, got a bytes")
def encoded(report):
    return [Panel("a", "A", b"<p>")]


@panels("panel 'a': data must be empty")
def scripted(report):
    return [Panel("a", "A", "", {"x": 1})]


@panels("panel 'a': <img> must have a text")
def unescaped(report):
    return [Panel("a", "A", f"<p>{report.predicted.names[0]}</p>")]


@panels("gives other panels when it is called again")
def counting(report):
    return [Panel("a", "A", f"<p>{again('panels')}</p>")]


@panels("changes the report. The contract: it is read")
def sorting(report):
    report.predicted.probabilities.sort(1)
    return []


@panels("draws random numbers (random) in tlf_report_panels")
def chance(report):
    return [Panel("a", "A", f"<p>{0 * random.random()}</p>")]


@panels("fails in tlf_report_panels with 12 images of 2 classes: ZeroDivisionError")
def of_a_single_image(report):
    return [Panel("a", "A", f"<p>{1 // (len(report.predicted) % 12)}</p>")]


html("script", "<script> is not allowed; escape what comes from data", "<script>x()</script>")
html("style", "<style> is not allowed", "<style>p { color: red }</style>")
html("frame", "<iframe> is not allowed", "<iframe></iframe>")
html("form", "<input> is not allowed", "<input>")
html("title", "<h2> is not allowed", "<h2>x</h2>")
html("handler", "<p onclick> is not allowed; leave onclick out", "<p onclick='x()'>x</p>")
html("data", "<p data-x> is not allowed", "<p data-x='1'>x</p>")
html(
    "link", "<a href> must be #id of this panel, got 'https://x.org'", "<a href=https://x.org>x</a>"
)
html("javascript", "<a href> must be #id of this panel", "<a href='javascript:x()'>x</a>")
html("remote", "<img src> must be data:image/png;base64,…", "<img src='//x.org/a.png' alt='a'>")
html(
    "svg-data", "<img src> must be data:image/png", "<img src='data:image/svg+xml;base64,A' alt=''>"
)
html("alt", "<img> must have a text", "<img src='data:image/png;base64,A'>")
html("use", "<use href> must be #id of this panel", "<svg><use href='x.svg#a'/></svg>")
html("animation", "<animate> is not allowed", "<svg><animate attributeName='href'/></svg>")
html("url", "<p style fill> must name url(#id) only", "<p style='fill: URL (//x.org)'>x</p>")
html("escape", "<path fill> must name url(#id) only", "<svg><path fill='\\75rl(//x)'/></svg>")
html("cover", "<div style> must not set 'position'", "<div style='position: fixed'></div>")
html("unknown-id", "<a> refers to #b, which is no id of this panel", "<a href='#b'>x</a>")
html("two-ids", "<p id> must be unique, got 'a' twice", "<p id='a'></p><p id='a'></p>")
html("odd-id", "<p id> must be letters, digits and hyphens", "<p id='a b'></p>")
html("attribute-twice", "<p> must have title once, got it twice", "<p title='a' title='b'></p>")
html("open", "<div> must be closed; write </div>", "<div><p>x</p>")
html("crossed", "</p> stands after <b>; close elements in their order", "<p><b>x</p></b>")
html("stray", "</section> closes nothing", "</section>")
html("comment", "comments are not allowed", "<!-- x -->")
html("doctype", "<!doctype svg> is not allowed", "<!doctype svg>")
html("instruction", "<?xml ?> is not allowed", "<?xml ?>")
html("long", "a panel must have at most 1,000,000 characters", "x" * 1_000_001)
