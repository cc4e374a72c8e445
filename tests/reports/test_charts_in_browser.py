"""Charts, the strip and the findings in a real browser: seen, walked through, read."""

import pytest

from browsers import OWN, needs_axe
from histories import record, report, two_phases
from tlf.checks.findings import Duplicates, Findings, ImageRef
from tlf.inference.calibrated import Calibrated
from tlf.reports.page import write_page
from tlf.reports.panels import calibration, curves, findings, provenance, what_trained

EVIL = ImageRef("eval", 0, '"><img src=https://example.org/x>', "<script>")
PAIR = Duplicates((EVIL, ImageRef("train", 0, "a.jpg", "ants")), (0, 0), similarity=1.0)
FOUND = Findings({"train": 3, "eval": 2}, {"train": {"ants": 3}}, duplicates=(PAIR,))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """All panels of this kind, with what the fullest report would have."""
    calibrated = Calibrated(1.5, 0.9, 0.25, "eval", 40)
    of = report(
        record(two_phases(), provenance={"versions": {"tlf": "1"}}),
        calibrated=calibrated,
        findings=FOUND,
    )
    made = [
        module.panel(of) for module in (what_trained, curves, calibration, findings, provenance)
    ]
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(path, "charts", made)
    return path


@pytest.fixture
def opened(browser, page):
    browser.media("light", 1280)
    browser.requests(), browser.complaints()
    browser.open(page)
    return browser


def test_the_arrow_keys_lead_through_the_strip(opened):
    from selenium.webdriver.common.keys import Keys

    first = opened.one('table.strip td[tabindex="0"]')
    opened.do("arguments[0].focus()", first)
    shown = opened.one("#strip-cell")
    assert shown.text.startswith("head, head 1: trains; lr 1.00e-01, gradient norm 0.5")
    first.send_keys(Keys.ARROW_DOWN, Keys.NULL)
    assert shown.text == "layer1, head 1: frozen"
    opened.driver.switch_to.active_element.send_keys(Keys.END)
    assert shown.text.startswith("layer1, all 3: trains")
    opened.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)  # there is no more
    assert shown.text.startswith("layer1, all 3")
    assert len(opened.all('table.strip td[tabindex="0"]')) == 1


def test_the_slider_answers_only_above_a_limit(opened):
    from selenium.webdriver.common.keys import Keys

    data = opened.do("return report.data('calibration')")
    slider = opened.one("#answer-above")
    assert opened.one("#answered").text.startswith("100.0 % of the images are answered (40 of")
    for _ in range(60):
        slider.send_keys(Keys.ARROW_RIGHT)
    images, right = data["images"][60], data["right"][60]
    assert opened.one("#answer-limit").text == "60 %"
    assert opened.one("#answered").text == (
        f"{100 * images / 40:.1f} % of the images are answered ({images} of 40); "
        f"{100 * right / images:.1f} % of these are right."
    )
    slider.send_keys(Keys.END)
    assert opened.one("#answered").text == "No image is answered."


def test_the_loss_on_a_logarithmic_scale_with_scripts_or_without(browser, page):
    for on in (True, False):
        browser.scripts(on=on)
        browser.open(page)
        try:
            linear, log = (browser.one(f"#curves .{kind} svg") for kind in ("linear", "log"))
            assert (linear.is_displayed(), log.is_displayed()) == (True, False)
            browser.one("#log-scale").click()
            assert (linear.is_displayed(), log.is_displayed()) == (False, True)
            tables = browser.all("#calibration details table")
            assert len(tables) == 4
            assert browser.one("#answer-above").is_displayed() == on
        finally:
            browser.scripts(on=True)


def test_texts_are_copied(opened):
    opened.do("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    opened.click('[data-copies="command"]')
    assert opened.do("return window.copied") == "tlf run 'runs/my run/recipe.toml'"
    assert opened.one('[data-copies="command"] + [role="status"]').text == "copied"
    opened.do("navigator.clipboard.writeText = async () => { throw new Error('no') }")
    opened.click('[data-copies="recipe"]')
    assert opened.do("return getSelection().toString()") == "seed = 0"


def test_colours_follow_the_scheme_and_nothing_is_wider_than_the_window(browser, page):
    seen = set()
    for scheme in ("light", "dark"):
        browser.media(scheme, 400)
        browser.open(page)
        assert browser.do("return document.documentElement.scrollWidth") <= 400
        text = browser.one("#curves svg text")
        ink = "return getComputedStyle(arguments[0]).fill"
        paper = "return getComputedStyle(document.body).backgroundColor"
        assert browser.do(ink, text) == browser.do("return getComputedStyle(document.body).color")
        seen.add((browser.do(ink, text), browser.do(paper)))
        for svg in browser.all("svg"):
            assert svg.size["width"] <= 400
    assert len(seen) == 2
    browser.media("light", 1280)


def test_nothing_is_fetched_and_nothing_is_run(opened):
    assert all(url.startswith(OWN) for url in opened.requests())
    assert opened.complaints() == []
    ids = opened.do("return [...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len({*ids})
    assert "<script>" in opened.one("#findings").text


@needs_axe
@pytest.mark.parametrize("scheme", ["dark", pytest.param("light", marks=pytest.mark.slow)])
def test_axe_finds_nothing_serious(browser, page, scheme):
    browser.media(scheme, 1280)
    browser.open(page)
    browser.do("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert browser.serious_faults() == []
