"""The network on the page, in a real browser: lanes, blocks, dots, presets and controls."""

import json
import time
from itertools import pairwise

import pytest
from selenium.webdriver.common.keys import Keys

from tlf.simulator.messages import record_as_json
from tlf.simulator.page import simulator_page
from tlf.simulator.page.compact import compact
from tlf.simulator.records import Measured, StageRecord, Statistics, StepRecord
from tlf.simulator.settings import Settings

FROZEN, TRAINS = "frozen", "trainable"
PARAMETERS = {"stem": 100, "layer1": 1000, "layer2": 8000, "head": 900}
COMMAND = "tlf simulate r.toml"
FLOW = {"stem": 0.02, "layer1": 0.005, "layer2": 0.03, "head": 0.25}
PRESETS = {
    # id: what trains of each stage, other settings
    "head": ({"head": 900}, {}),
    "middle": ({"layer1": 1000}, {}),
    "all": (PARAMETERS, {}),
    "norms": ({"stem": 10, "layer1": 400, "layer2": 80, "head": 900}, {}),
    "naive": ({"head": 900}, {"naive": True}),
    "broken": ({"layer1": 1000}, {"lr": {"head": 1e9, "backbone": 1e9}}),
}
STEPS = 3


def settings(id, trains, parameters, other):
    whole = {0: FROZEN} | dict.fromkeys(parameters.values(), TRAINS)
    stages = {name: whole.get(trains.get(name, 0), id) for name in parameters}
    return {
        "stages": stages, "lr": {"head": 0.01, "backbone": 0.01}, "layer_decay": None,
        "optimizer": "sgd", "batch": 4, "weights": "pretrained", "seed": 0, "naive": False, **other,
    }  # fmt: skip


def scene(parameters):
    image = {"name": "a.jpg", "labels": [0], "thumbnail": None}
    return {
        "title": "r.toml", "backbone": "tiny", "weights": "", "head": "linear", "size": 32,
        "classes": ["ants", "bees"], "train": [image] * 4, "eval": [image] * 4,
        "optimizers": ["sgd"], "batches": [4], "initialisations": ["pretrained"], "device": "cpu",
        "notes": [], "right": "Right: the most probable class is its label.",
        "stages": [
            {"name": name, "parameters": count, "multiply_adds": 1000, "statistics": 2,
             "observed": True}
            for name, count in parameters.items()
        ],
        "presets": [
            {"id": id, "title": f"The preset {id}", "text": "What it is for.",
             "settings": settings(id, trains, parameters, other),
             "trains": {name: trains.get(name, 0) for name in parameters},
             "rates": "Rates of the recipe's phase one."}
            for id, (trains, other) in PRESETS.items()
        ],
    }  # fmt: skip


def stage_record(name, count, *, reached, naive):
    frozen = count == 0
    drifts = naive or not frozen
    return StageRecord(
        trains=count,
        rate=None if frozen else 0.01,
        output=10.0,
        flow=FLOW.get(name, 0.1) if reached else None,
        gradient=0.5 if reached and count else None,
        weights=20.0,
        update=None if frozen else 0.001,
        moved=count,
        unchanged=not drifts,
        statistics=Statistics(drifts, 0.035 if drifts else 0.0),
    )


def records(id, parameters):
    """The steps of a preset. No gradient comes below the lowest stage that trains."""
    trains, other = PRESETS[id]
    counts = [trains.get(name, 0) for name in parameters]
    measured = Measured(0.7, 2, (((0, 0.6), (1, 0.4)),) * 4, ((0,),) * 4)
    used = Settings(**settings(id, trains, parameters, other))
    found = []
    for step in range(STEPS + 1):
        broken = id == "broken" and step == 2
        stages = {
            name: stage_record(
                name, counts[at], reached=any(counts[: at + 1]) and not broken, naive=used.naive
            )
            for at, name in enumerate(parameters)
        }
        found.append(
            StepRecord(
                step, used, 0.69 if step and not broken else None, 3, 0.05 if step else None,
                stages, measured, measured,
                broken=f"the loss of step {step} is nan" if broken else None,
            )
        )  # fmt: skip
        if broken:
            break
    return found


COSTS = {
    "computed_once": "features", "multiply_adds": 100, "everything": 10_000, "memory": 3e6,
    "memory_everything": 9e6, "seconds_everything": 0.2,
}  # fmt: skip


def write(path, parameters=PARAMETERS):
    recordings = {
        "command": COMMAND,
        "costs": dict.fromkeys(PRESETS, COSTS),
        **compact({id: records(id, parameters) for id in PRESETS}, [*parameters]),
    }
    path.write_text(simulator_page(scene(parameters), COMMAND, recordings), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write(tmp_path_factory.mktemp("network") / "page.html")


@pytest.fixture
def opened(browser, page):
    browser.media("light", 1280)
    browser.complaints()
    browser.open(page, "#a=head")
    blocks = "document.querySelectorAll('.block').length"
    assert browser.shown(blocks, len(PARAMETERS)) == len(PARAMETERS)
    return browser


def choose(browser, preset):
    browser.click(f'[data-preset="{preset}"]')


def press(browser, key):
    browser.do("document.activeElement.blur()")
    browser.one("body").send_keys(key)


def step(browser, number=1):
    press(browser, " ")
    begins = f"document.querySelector('.counter').textContent.startsWith('Step {number} ')"
    assert browser.shown(begins, True)
    browser.frames(5)  # the numbers of each lane, and then its dots


def level(browser, stage, part, lane=0):
    return browser.do(
        "return document.querySelector(`[data-lane='${arguments[0]}'] [data-level="
        "'${arguments[1]}'] ${arguments[2]}`).textContent",
        lane, stage, part,
    )  # fmt: skip


def attribute(browser, name):
    """Stage → an attribute of it, in the first lane."""
    return browser.do(
        "return Object.fromEntries([...document.querySelectorAll(`[data-lane='0'] [data-level]`)]"
        ".map((one) => [one.dataset.level, one.getAttribute(arguments[0])]))",
        name,
    )


DOTS = (
    "Object.fromEntries([...document.querySelectorAll('[data-lane=\"0\"] [data-level]')].map((one) "
    "=> [one.dataset.level, [...new Set([...one.querySelectorAll('[data-dot]')].map((dot) => "
    "dot.dataset.dot))].join()]))"
)


def test_a_lane_has_the_loss_on_top_and_the_images_at_the_bottom(opened):
    blocks = opened.texts('[data-lane="0"] .block .name')
    assert blocks == ["head", "layer2", "layer1", "stem"]
    tops = [
        opened.one(f'[data-lane="0"] {part}').rect["y"]
        for part in (".lane-top", '[data-level="head"]', '[data-level="stem"]', ".lane-bottom")
    ]
    assert all(above < below for above, below in pairwise(tops))
    assert opened.complaints() == []


def test_a_click_freezes_and_thaws_a_stage_and_shows_what_follows(opened):
    block = '[data-lane="0"] .block[data-stage="layer2"]'
    assert opened.one(block).get_attribute("aria-pressed") == "false"
    assert "frozen" in opened.one(block).text
    opened.click(block)
    assert opened.shown(f"document.querySelector(`{block}`).ariaPressed", "true") == "true"
    assert "trainable" in opened.one(block).text
    # 4 forward passes, the gradient of the head's input, the gradients of two stages' weights: 7
    # of the 11 passes when everything trains.
    assert opened.one(".trainable strong").text == "8.90 k"
    assert opened.one(".cost strong").text == "64 %"
    assert opened.one(".once strong").text == "not recorded"
    assert attribute(opened, "data-stop") == {
        "head": None, "layer2": "", "layer1": None, "stem": None
    }  # fmt: skip
    opened.click(block)
    assert opened.shown(f"document.querySelector(`{block}`).ariaPressed", "false") == "false"
    assert opened.one(".once strong").text == "features"
    assert opened.one(".memory small").text == "9.00 MB to train all"
    assert opened.one(".once small").text == "a run’s step: 1 %"


def test_a_part_of_a_stage_is_neither_frozen_nor_trainable(opened):
    choose(opened, "norms")
    block = '.block[data-stage="layer1"]'
    assert opened.shown(f"document.querySelector(`{block}`).ariaPressed", "mixed") == "mixed"
    assert opened.one(f"{block} .state").text == "40 % trains"


def test_space_presses_the_stage_that_has_the_focus_and_steps_elsewhere(opened):
    head, layer2 = (opened.one(f'.block[data-stage="{name}"]') for name in ("head", "layer2"))
    opened.do("arguments[0].focus()", head)
    head.send_keys(Keys.ARROW_DOWN)
    assert opened.driver.switch_to.active_element == layer2
    layer2.send_keys(" ")
    assert opened.shown("document.activeElement.ariaPressed", "true") == "true"
    assert opened.one(".counter").text.startswith("Step 0")
    assert opened.driver.switch_to.active_element == layer2
    layer2.send_keys(" ")
    step(opened)


def test_dots_are_hollow_only_in_a_frozen_stage_above_one_that_trains(opened):
    choose(opened, "middle")
    opened.do(
        "const animate = Element.prototype.animate; window.animated = new Set();"
        "Element.prototype.animate = function (frames, timing) {"
        " for (const name of frames.flatMap(Object.keys)) animated.add(name);"
        " return animate.call(this, frames, timing); }"
    )
    step(opened)
    expected = {"head": "hollow", "layer2": "hollow", "layer1": "solid", "stem": ""}
    assert opened.shown(DOTS, expected) == expected
    gradients = {"head": "hollow", "layer2": "hollow", "layer1": "solid", "stem": "none"}
    assert attribute(opened, "data-gradient") == gradients
    assert level(opened, "head", ".flow-number") == "0.25"
    assert level(opened, "head", ".gradient dd") == "none"
    assert level(opened, "layer1", ".gradient dd") == "0.5"
    assert level(opened, "stem", ".flow-number") == "none"
    assert level(opened, "stem", ".flow-reason") == "nothing from here on down trains"
    assert level(opened, "stem", ".update dd") == "none"
    assert level(opened, "stem", ".statistics dd") == "unchanged, bit for bit"
    # They move by transforms and opacity alone.
    assert opened.do("return [...animated].sort()") == ["offset", "opacity", "transform"]


def test_the_numbers_of_a_step(opened):
    choose(opened, "all")
    heights = "[...document.querySelectorAll('.level')].map((one) => one.offsetHeight).join()"
    before = opened.do(f"return {heights}")
    step(opened)
    assert level(opened, "layer2", ".update dd") == "0.005 %"
    assert level(opened, "layer2", ".moved dd") == "all"
    assert level(opened, "layer2", ".statistics dd") == "drift 3.5 %"
    assert level(opened, "layer2", ".rate dd") == "0.01"
    assert opened.one(".time strong").text == "50 ms"
    assert opened.one(".memory small").text == opened.one(".time small").text == "everything trains"
    # The gradient comes from the loss in the step; sentences and the curve have those after it.
    assert opened.one(".loss-of-step").text.split("\n") == ["Loss in step 1", "0.690"]
    assert opened.texts(".loss-notes span") == [
        "Batch: 2 of 4 right", "Unseen: 2 of 4 right"
    ]  # fmt: skip
    assert opened.do(f"return {heights}") == before
    press(opened, "r")
    assert opened.shown("document.querySelector('.time strong').textContent", "–") == "–"
    assert opened.all("[data-dot]") == []


def test_naive_freezing_warns_where_frozen_statistics_drift(opened):
    opened.click('.naive input[role="switch"]')
    assert opened.one('[data-preset="naive"]').get_attribute("aria-pressed") == "true"
    step(opened)
    assert level(opened, "layer1", ".statistics dd") == "⚠ drift 3.5 %"
    assert level(opened, "head", ".statistics dd") == "drift 3.5 %"
    assert "⚠ Naive freezing" in opened.one(".lane-status").text


STANDS = (
    "['[data-lane=\"0\"] .lane-top', '[data-stage=head]', '[data-stage=stem]', '#curve', '#story']"
    ".map((part) => document.querySelector(part).getBoundingClientRect())"
    ".map(({ x, y }) => [Math.round(x / 64), Math.round(y)])"
)
"""Where parts of the page stand; a block may come nearer to its line."""


def test_two_lanes_make_the_same_step_with_other_masks(opened):
    before = opened.do(f"return {STANDS}")
    press(opened, "c")
    assert opened.shown("document.querySelectorAll('.lane h3').length", 2) == 2
    compare = '[aria-keyshortcuts="C"]'
    assert opened.one(f"{compare} .label").text == "One lane"
    # A button whose name changes is not pressed as well.
    assert opened.one(compare).get_attribute("aria-pressed") is None
    assert opened.do(f"return {STANDS}") == before  # nothing moves away under the reader's eyes
    choose(opened, "middle")
    step(opened)
    titles = ["Lane 1: The preset head", "Lane 2: The preset middle"]
    assert opened.texts(".lane h3") == titles
    assert level(opened, "layer2", ".flow-number", lane=0) == "none"
    assert level(opened, "layer2", ".flow-number", lane=1) == "0.03"
    opened.do("document.querySelector('[data-lane=\"0\"] .block').focus()")
    assert opened.one(".preset-target [aria-pressed=true]").text == "Lane 1"
    opened.media("light", 400)
    assert opened.do("return document.documentElement.scrollWidth") <= 400
    opened.media("light", 1280)
    press(opened, "c")
    assert opened.shown("document.querySelectorAll('.lane h3').length", 1) == 1


def test_a_printed_page_shows_the_network(opened):
    opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert opened.one("#network .block").is_displayed()
        assert opened.one("#images").is_displayed()
        assert not opened.one("#controls").is_displayed()
    finally:
        opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_network_that_broke_says_so_and_offers_a_reset(opened):
    choose(opened, "broken")
    step(opened)
    step(opened, 2)
    told = "✖ Broken: the loss of step 2 is nan. Reset to begin again."
    assert opened.shown("document.querySelector('.lane-status').textContent", told) == told
    assert level(opened, "head", ".flow-number") == "not finite"
    assert level(opened, "layer1", ".gradient dd") == "not finite"
    # A frozen stage has none, in a step that broke, too.
    assert level(opened, "head", ".gradient dd") == level(opened, "head", ".update dd") == "none"
    assert level(opened, "stem", ".flow-number") == "none"
    opened.click(".steps summary")
    row = "document.querySelector('.steps tbody tr')?.innerText.trim().split(/\\s+/).join(' ')"
    assert opened.shown(row, "2 not a number – – – –") == "2 not a number – – – –"
    assert opened.one(".loss").text == "not a number"
    button = opened.one(".control")
    assert button.get_attribute("aria-disabled") == "true"
    assert opened.one(".reason").text == "Broken: reset to begin again."
    assert opened.one("#message").text == ""  # the live page goes on no further
    press(opened, "r")
    assert button.get_attribute("aria-disabled") == "false"


def test_a_network_that_broke_ends_the_steps_of_the_other_lane(opened, page):
    opened.open(page, "#a=broken&b=head")
    press(opened, "x")
    reason = "document.querySelector('.reason').textContent"
    told = "Broken: reset to begin again."
    assert opened.shown(reason, told) == told
    assert opened.one("[aria-keyshortcuts=P] .label").text == "Play"  # no step is waited for
    assert opened.one(".counter").text.startswith("Step 2 ")
    assert opened.one('[data-lane="1"] .lane-status').text == "After step 2."


def test_where_nothing_trains_the_step_says_why_it_cannot_be_made(opened):
    opened.click('.block[data-stage="head"]')
    assert opened.one(".reason").text == "Nothing trains: click a stage to train it."
    press(opened, " ")
    assert opened.one(".counter").text.startswith("Step 0")


def test_with_reduced_motion_there_are_no_dots_and_a_table(browser, page):
    feature = {"name": "prefers-reduced-motion", "value": "reduce"}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.open(page, "#a=middle")
    step(browser)
    step(browser, 2)
    assert browser.all(".dot") == []
    assert browser.do("return document.getAnimations().length") == 0
    assert browser.texts(".steps tbody tr") == [
        f"{number} 0.690 0.25 0.03 0.005 none" for number in (2, 1)
    ]
    browser.media("light", 1280)


@pytest.mark.parametrize("count", [2, 60])
def test_one_stage_and_sixty(browser, tmp_path, count):
    names = [f"stages.{number}.with_a_rather_long_name" for number in range(count - 1)]
    browser.complaints()
    for width in (1280, 400):
        browser.media("light", width)
        browser.open(write(tmp_path / "page.html", dict.fromkeys([*names, "head"], 900)), "#a=head")
        step(browser)
        assert len(browser.all(".block")) == count
        assert browser.do("return document.documentElement.scrollWidth") <= width
    assert browser.complaints() == []
    browser.media("light", 1280)


FAKE = "window.EventSource = class { constructor() { window.program = this; } close() {} };"


@pytest.fixture
def program(browser, tmp_path):
    """A live page, and what tells it events in place of the program."""
    path = tmp_path / "page.html"
    path.write_text(simulator_page(scene(PARAMETERS), COMMAND), encoding="utf-8")
    added = browser.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": FAKE}
    )
    browser.open(path)
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)

    def tell(*events):
        texts = [json.dumps(event) for event in events]
        browser.do("for (const data of arguments[0]) program.onmessage({ data })", texts)

    return tell


BUSY, IDLE = ({"kind": "stepping", "on": on, "left": None} for on in (True, False))


def test_dots_rise_while_a_step_is_made_and_not_for_other_settings(browser, program):
    first, second, *_ = map(record_as_json, records("middle", PARAMETERS))
    lane = {"settings": first["settings"], "records": [first], "costs": None}
    program({"kind": "state", "lanes": [lane], "stepping": False})
    program(BUSY, {"kind": "settings", "lane": 0, "settings": first["settings"]}, IDLE)
    time.sleep(0.15)
    assert browser.all(".dot") == []
    program(BUSY)
    rising = "document.querySelectorAll('.dot.forward').length > 0"
    assert browser.shown(rising, True) is True
    assert browser.all("[data-dot]") == []
    program({"kind": "stepped", "lane": 0, "record": second}, IDLE)
    expected = {"head": "hollow", "layer2": "hollow", "layer1": "solid", "stem": ""}
    assert browser.shown(DOTS, expected) == expected


def test_dots_come_to_rest_where_the_end_of_a_step_was_not_told(browser, program):
    first, second, *_ = map(record_as_json, records("middle", PARAMETERS))
    lane = {"settings": first["settings"], "records": [first], "costs": None}
    program({"kind": "state", "lanes": [lane], "stepping": False})
    program(BUSY)
    endless = (
        "document.getAnimations().filter((one) => one.effect.getTiming().iterations === Infinity)"
        ".length > 0"
    )
    assert browser.shown(endless, True) is True
    # A tab that was hidden gets all at once as it comes back.
    program({"kind": "state", "lanes": [{**lane, "records": [first, second]}], "stepping": False})
    assert browser.shown(endless, False) is False


def test_the_second_lane_shows_the_newest_of_settings_that_follow_each_other(browser, program):
    first, *_ = map(record_as_json, records("head", PARAMETERS))
    lane = {"settings": first["settings"], "records": [first], "costs": None}
    program({"kind": "state", "lanes": [lane, lane], "stepping": False})
    browser.frames()
    events = [
        json.dumps(
            {"kind": "settings", "lane": 1, "settings": {**first["settings"], "stages": one}}
        )
        for one in (dict.fromkeys(PARAMETERS, FROZEN), dict.fromkeys(PARAMETERS, TRAINS))
    ]
    browser.driver.execute_async_script(
        "const [[older, newer], done] = arguments; program.onmessage({ data: older });"
        "requestAnimationFrame(() => { program.onmessage({ data: newer }); done(); })",
        events,
    )
    browser.frames(20)
    states = "[...document.querySelectorAll('[data-lane=\"1\"] .block')].map((b) => b.ariaPressed)"
    assert browser.do(f"return {states}") == ["true"] * len(PARAMETERS)


REFUSED = "window.fetch = async () => ({ ok: false, text: async () => 'Not now.' })"


def test_steps_that_were_refused_are_not_waited_for(browser, program):
    first, *_ = map(record_as_json, records("all", PARAMETERS))
    lane = {"settings": first["settings"], "records": [first], "costs": None}
    program({"kind": "state", "lanes": [lane], "stepping": False})
    browser.do(REFUSED)
    press(browser, "x")
    said = "document.getElementById('message').textContent"
    assert browser.shown(said, "Not now.") == "Not now."
    program(BUSY)  # another tab makes a single step
    play = "document.querySelector('[aria-keyshortcuts=P] .label').textContent"
    assert browser.do(f"return {play}") == "Play"


def test_a_page_that_keeps_no_more_steps_says_how_to_go_on(browser, program):
    first, *_ = map(record_as_json, records("all", PARAMETERS))
    lane = {"settings": first["settings"], "records": [first], "costs": None}
    program({"kind": "state", "lanes": [lane], "stepping": False, "left": 0})
    assert browser.one(".reason").text == "The page keeps no more steps: reset to make new ones."


def test_what_is_clicked_after_the_end_is_taken_back(browser, program):
    first, *_ = map(record_as_json, records("head", PARAMETERS))
    lane = {"settings": first["settings"], "records": [first], "costs": None}
    program({"kind": "state", "lanes": [lane], "stepping": False})
    program({"kind": "failed", "text": "It has ended.", "ended": True})
    browser.do("window.fetch = async () => { throw new TypeError('refused'); }")
    browser.frames()
    browser.click("[data-stage=layer1]")
    browser.frames(20)
    assert browser.one("[data-stage=layer1]").get_attribute("aria-pressed") == "false"
    assert browser.one("#message").text == "It has ended."


def test_a_program_that_cannot_be_reached_from_the_start_is_said(browser, program):
    browser.complaints()
    browser.do("program.onerror(); program.onerror()")
    assert browser.one("#message").text.startswith("tlf has ended, or cannot be reached.")
    assert browser.complaints() == []


def test_a_toggle_is_shown_before_the_program_answers_and_taken_back_if_it_refuses(
    browser, program
):
    first, second, *_ = map(record_as_json, records("head", PARAMETERS))
    costs = {"settings": first["settings"], **COSTS}
    lane = {"settings": first["settings"], "records": [first, second], "costs": costs}
    program({"kind": "state", "lanes": [lane], "stepping": False})
    once = "document.querySelector('.once strong')?.textContent"
    assert browser.shown(once, "features") == "features"
    browser.do("window.fetch = () => new Promise(() => {})")  # it does not answer
    browser.click('.block[data-stage="layer1"]')
    assert browser.shown(once, "checking") == "checking"
    browser.click('.block[data-stage="layer2"]')
    trains = "document.querySelector('.trainable strong').textContent"
    assert browser.shown(trains, "9.90\u00a0k") == "9.90\u00a0k"
    assert browser.one(".lane-status").text == "Changed after step 1: the next step uses it."
    program({"kind": "failed", "text": "No."})
    assert browser.shown(once, "features") == "features"


def test_costs_of_other_settings_are_not_shown(browser, program):
    first, *_ = map(record_as_json, records("head", PARAMETERS))
    others = {**first["settings"], "batch": 1}
    program({"kind": "state", "lanes": [{"settings": others, "records": [first], "costs": None}],
             "stepping": False})  # fmt: skip
    once = "document.querySelector('.once strong')?.textContent"
    program({"kind": "costs", "lane": 0, "costs": {"settings": first["settings"], **COSTS}})
    assert browser.shown(once, "checking") == "checking"
    large = {**COSTS, "memory_everything": 999_999_999}
    program({"kind": "costs", "lane": 0, "costs": {"settings": others, **large}})
    assert browser.shown(once, "features") == "features"
    assert browser.one(".consequence.memory small").text == "1.00 GB to train all"
