"""The page on which images are dropped: what it says, and what a person does on it."""

import re
import shutil
import time
from types import SimpleNamespace

import pytest

from browsers import OWN, needs_axe
from served import name_of
from tlf.serving.limits import ServingLimits
from tlf.serving.models import Models
from tlf.serving.page import page

DROP = """
const [selector, name] = arguments;
const bytes = Uint8Array.from(atob(arguments[2]), (c) => c.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
const event = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer });
return document.querySelector(selector).dispatchEvent(event);
"""


def test_names_are_escaped_and_nothing_is_loaded_from_elsewhere(server):
    named = (SimpleNamespace(run="<script>alert(1)</script>\u202e"),)
    html, policy = page(Models(named, ()), ServingLimits(images=7, body=5_000_000))
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;\\u202e</bdi>" in html
    assert "At once at most 7 images, 5 MB together." in html
    assert not re.search(r"(src|href)=[\"'](https?:)?//", html)
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    assert parts["default-src"] == parts["base-uri"] == parts["frame-ancestors"] == "'none'"
    assert parts["connect-src"] == parts["form-action"] == "'self'"
    assert parts["img-src"] == "data: blob:"
    assert "unsafe" not in parts["script-src"] + parts["style-src"]
    answer = server.ask("GET", "/")
    assert answer.headers["Content-Security-Policy"].split("; ")[1:] == policy.split("; ")[1:]


@pytest.mark.slow
def test_images_are_chosen_dropped_and_classified(server, browser, jpegs, tmp_path):
    import base64

    driver = browser.driver
    driver.get(server.address)
    browser.requests(), browser.complaints()
    paths = [shutil.copy(path, tmp_path / name_of(path)) for path in jpegs[:2]]
    driver.get(server.address)
    browser.one("#files").send_keys("\n".join(map(str, paths)))
    assert browser.shown("document.getElementById('status').textContent",
                         "2 images are classified.") == "2 images are classified."  # fmt: skip
    expected = server.predict(*jpegs[:2]).json["models"]
    assert browser.texts("article h2") == [path.name for path in paths]
    assert browser.texts("article:first-child h3") == ["one", "two", "three"]
    shown = browser.texts("article:first-child strong")
    assert shown == [model["predictions"][0]["predicted"] for model in expected]

    bad = base64.b64encode(b"no image").decode()
    browser.do(DROP, "main", "<img src=x onerror=alert(1)>.jpg", bad)
    assert browser.shown("document.getElementById('status').className", "failed") == "failed"
    said = browser.one("#status").text
    assert said.startswith("<img src=x onerror=alert(1)>.jpg: not an image in a known format")
    good = base64.b64encode(jpegs[0].read_bytes()).decode()
    browser.do(DROP, "#drop", "<b>bold</b>.jpg", good)
    assert browser.shown("document.querySelectorAll('article').length", 1) == 1
    assert browser.texts("article h2") == ["<b>bold</b>.jpg"]
    assert browser.do("return document.querySelector('article img').naturalWidth") > 0

    asked = {url for url in browser.requests() if not url.startswith(OWN)}
    assert asked == {server.address, f"{server.address}predict?top=5"}
    severe = [one for one in browser.complaints() if "422" not in one]
    assert severe == []


@pytest.mark.slow
@needs_axe
def test_it_has_no_serious_faults_and_is_used_by_keyboard(server, browser, jpegs):
    driver = browser.driver
    for scheme, width in (("light", 1280), ("dark", 360)):
        browser.media(scheme, width)
        driver.get(server.address)
        browser.one("#files").send_keys(str(jpegs[0]))
        assert browser.shown("document.querySelectorAll('article').length", 1) == 1
        assert browser.serious_faults() == []
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert browser.do(f"return {wide}")
    from selenium.webdriver.common.keys import Keys

    driver.get(server.address)
    driver.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.do("return document.activeElement.id") == "files"


@pytest.mark.slow
def test_without_scripts_the_form_is_sent_and_answered(server, browser, jpegs):
    browser.scripts(on=False)
    try:
        browser.driver.get(server.address)
        browser.one("#files").send_keys(str(jpegs[0]))
        browser.one("button").click()
        deadline = time.monotonic() + 10
        while '"predicted":' not in browser.driver.page_source:
            assert time.monotonic() < deadline, browser.driver.page_source
    finally:
        browser.scripts(on=True)
