"""The live page in a real Chromium: what its policy allows, two tabs, the end of the program."""

import threading

import pytest

import tlf
from browsers import OWN
from small import TWO_PHASES, write_recipe
from tlf.events import SimulatorStarted
from tlf.simulator import simulation as opening

pytestmark = pytest.mark.slow

SAID = "return document.getElementById('announced').textContent.includes(arguments[0])"


@pytest.fixture
def events(tmp_path, images, simulation, monkeypatch):
    def opened(*_):
        yield from ()
        return simulation

    monkeypatch.setattr(opening, "open_simulation", opened)
    recipe = write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)
    served = tlf.simulate(recipe, port=0)
    yield served
    served.close()
    for thread in threading.enumerate():  # no worker computes with the network of other tests
        if thread.name == "tlf simulate":
            thread.join(60)


def wait(browser, script, *arguments):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser.driver, 60).until(lambda _: browser.do(script, *arguments))


def test_a_page_steps_two_tabs_see_it_and_the_end_is_said(events, browser):
    started = next(event for event in events if isinstance(event, SimulatorStarted))
    driver, address = browser.driver, started.address
    first = driver.current_window_handle
    driver.get(address)
    browser.requests()
    script = "return [...document.querySelectorAll('#controls button')].map((b) => b.textContent)"
    wait(browser, script)
    step = "document.querySelector('#controls button').click()"
    wait(browser, "return location.hash")  # the state has arrived
    browser.do(step)
    wait(browser, SAID, "Step 1: ")
    asked = [url for url in browser.requests() if not url.startswith(OWN)]
    assert {one.removeprefix(address) for one in asked} <= {"step", "events", "favicon.ico"}, asked

    driver.switch_to.new_window("tab")
    driver.get(address)
    wait(browser, "return location.hash")
    browser.do(step)
    wait(browser, SAID, "Step 2: ")
    driver.close()
    driver.switch_to.window(first)
    browser.do(step)
    wait(browser, SAID, "Step 3: ")

    events.close()
    said = wait(browser, "return document.getElementById('message').textContent")
    assert said.startswith("tlf has ended. Start it again, and open its new address: tlf simulate ")
    browser.do(step)
    said = wait(browser, "return document.getElementById('message').textContent")
    assert said.startswith("tlf has ended")
    severe = [line["message"] for line in driver.get_log("browser") if line["level"] == "SEVERE"]
    assert [line for line in severe if "ERR_CONNECTION_REFUSED" not in line] == []
