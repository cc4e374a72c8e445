"""What the simulator's page says, in a real browser: as recorded, and as a program tells it."""

import json
from dataclasses import asdict, replace

import pytest
from selenium.webdriver.common.keys import Keys

from tlf.simulator.costs import Costs
from tlf.simulator.messages import record_as_json, scene_as_json
from tlf.simulator.page import simulator_page
from tlf.simulator.recording import Recording, Recordings, recorded_page
from tlf.simulator.records import Measured, StageRecord, Statistics, StepRecord
from tlf.simulator.scene import Preset, Scene, SceneImage, Stage
from tlf.simulator.settings import Settings

STAGES = ("stem", "layer1", "layer2", "head")
CLASSES = ("ants", "bees", "cats", "dogs", "elks", "foxes", "goats")
TRAINS = {
    "head": ("head",), "last": ("layer2", "head"), "sandwich": ("stem", "head"), "all": STAGES,
    "naive": ("head",), "random": ("head",),
}  # fmt: skip
"""Preset → what trains."""
COSTS = Costs(None, 1, 2, 3, 4, 0.5)
COMMAND = "tlf simulate 'a <b>.toml'"


def settings_of(id):
    states = {name: "trainable" if name in TRAINS[id] else "frozen" for name in STAGES}
    weights = "random" if id == "random" else "pretrained"
    rates = {"head": 0.1, "backbone": 0.01}
    return Settings(states, rates, batch=2, weights=weights, naive=id == "naive")


RIGHT = "Right: the most probable class is its label."
SCENE = Scene(
    title="a <b>.toml", backbone="timm tiny", weights="imagenet", head="linear", size=32,
    classes=CLASSES, stages=tuple(Stage(name, 100, 10, 1, observed=True) for name in STAGES),
    train=tuple(SceneImage(f"train/{label}.jpg", (label,), None) for label in range(3)),
    eval=(SceneImage("val/<img src=x>.jpg", (6,), None),),
    presets=tuple(
        Preset(
            id, id.title(), "", settings_of(id), frozenset(), dict.fromkeys(STAGES, 0),
            rates="Rates of the recipe's phase one.",
        )
        for id in TRAINS
    ),
    optimizers=("sgd", "adamw"), batches=(1, 2, 3), initialisations=("pretrained", "random"),
    device="cpu", right=RIGHT,
)  # fmt: skip


def record(id, step, **other):
    """A step of a preset, with numbers that tell which step it was."""
    stage = StageRecord(0, None, 1.0, None, None, 10.0, None, 0, True, Statistics(False, 0.0))
    moved = StageRecord(100, 0.1, 1.0, 0.25, 0.5 + step, 10.0, 0.4, 99, False, None)
    stages = {name: moved if name in TRAINS[id] else stage for name in STAGES}
    first = 0.4 + step / 100
    rows = [[(0, first), (1, 0.3), (2, 0.1), (3, 0.05), (4, 0.04), (label, 0.03)]
            for label in (0, 1, 6)]  # fmt: skip
    known = tuple(tuple(dict(row).items()) for row in rows)
    train = Measured(0.7 - step / 10, 1, known[:2], ((0,), (0,)))
    unseen = Measured(0.8, 0, known[2:], ((0,),))
    said = (f"{id} made step {step} & moved by 4 %.", "It is naive freezing.")
    return StepRecord(step, settings_of(id), 0.9, 1, 0.1, stages, train, unseen,
                      sentences=said, **other)  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    recordings = tuple(
        Recording(preset, tuple(record(preset.id, step) for step in range(3)), COSTS)
        for preset in SCENE.presets
    )
    path = tmp_path_factory.mktemp("saved") / "page.html"
    path.write_text(recorded_page(Recordings(SCENE, recordings, COMMAND)), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, saved):
    browser.complaints()
    browser.open(saved)
    return browser


def press(browser, *keys):
    for key in keys:
        browser.driver.switch_to.active_element.send_keys(key)
    browser.frames()


# The recorded page


def test_each_step_is_told_and_announced_once_for_all_lanes(opened, saved):
    press(opened, " ")
    assert opened.texts("#story h3") == ["Step 1"]
    assert opened.texts("#story .sentences li")[0] == "head made step 1 & moved by 4 %."
    assert opened.one("#announced").get_attribute("aria-live") == "polite"
    spoken = "return document.getElementById('announced').textContent"
    assert opened.do(spoken).startswith("Step 1: head made step 1 & moved by 4 %. It is naive")
    opened.open(saved, "#a=head&b=all")
    press(opened, " ")
    assert opened.texts("#story h3") == ["Lane 1, step 1", "Lane 2, step 1"]
    assert "Lane 1, step 1: head made" in opened.do(spoken)
    assert "Lane 2, step 1: all made" in opened.do(spoken)
    opened.click("#story summary")
    assert [one.split(":")[0] for one in opened.texts("#story .history li")] == [
        "Step 1, lane 1", "Step 1, lane 2", "Step 0, lane 1", "Step 0, lane 2",
    ]  # fmt: skip


def test_a_step_beside_a_lane_that_was_not_recorded_is_announced(opened, saved):
    opened.open(saved, "#a=head,layer1:trainable&b=all")
    press(opened, " ")
    spoken = "return document.getElementById('announced').textContent"
    assert opened.do(spoken).startswith("Lane 2, step 1: all made step 1")


def test_images_show_the_probabilities_of_the_record(opened):
    press(opened, " ")
    batch, unseen = "#images .group:nth-of-type(1)", "#images .group:nth-of-type(2)"
    assert opened.texts(f"{batch} .results li") == ["loss 0.600, 1 of 2 right (50 %)"]
    assert opened.texts("#images .group-head p") == [
        f"The 2 images that a step trains on. {RIGHT}", f"1 image that no step trains on. {RIGHT}",
    ]  # fmt: skip
    assert opened.texts(f"{batch} .label") == ["ants", "bees"]
    assert opened.texts(f"{batch} .verdict") == ["✓ right", "✗ wrong"]
    assert opened.texts(f"{unseen} .name") == ["ants", "bees", "cats", "dogs", "goats"]
    assert opened.texts(f"{unseen} .value") == ["41 %", "30 %", "10 %", "5 %", "3 %"]
    assert opened.all("#images img[src=x]") == []
    share = "return [...document.querySelectorAll(arguments[0])].map(one => "
    share += "one.style.getPropertyValue('--share'))"
    assert opened.do(share, f"{unseen} .probability") == ["0.41", "0.3", "0.1", "0.05", "0.03"]


def test_the_curve_is_a_table_too(opened):
    press(opened, " ", " ")
    opened.click("#curve summary")
    cells = opened.texts("#curve tbody tr:nth-child(3) :is(th, td)")
    assert cells == ["2", "0.500", "1", "0.800", "0", "0.900", "0.1"]
    spoken = opened.one("#curve svg").get_attribute("aria-label")
    assert spoken.startswith("Loss after each step. batch from 0.700 to 0.500")


def test_formulas_show_the_numbers_of_the_last_step(opened):
    press(opened, " ")
    opened.click("#formula-sgd summary")
    assert len(opened.all("#formula-sgd math")) == 2
    assert opened.texts("#formula-sgd tbody tr:first-child :is(th, td)") == [
        "head", "0.1", "0.15", "0.4",
    ]  # fmt: skip
    assert opened.texts("#formula-sgd tbody tr:last-child td") == ["–", "–", "–"]


def test_a_term_leads_to_the_glossary_and_leaves_the_address(opened):
    address = opened.driver.current_url
    opened.click('#story a[href="#term-naive"]')
    assert opened.driver.switch_to.active_element.get_attribute("id") == "term-naive"
    assert opened.one("#term-naive").is_displayed()
    assert opened.driver.current_url == address
    linked = "return [...document.querySelectorAll('a.term')].map(one => one.hash.slice(1))"
    known = "return [...document.querySelectorAll('.glossary > div')].map(one => one.id)"
    assert {*opened.do(linked)} <= {*opened.do(known)}


def test_the_tour_runs_through_by_keyboard(opened):
    start = "#tour .offer button"
    opened.do("document.querySelector(arguments[0]).focus()", start)
    press(opened, Keys.ENTER)
    seen = []
    while opened.one("#tour .card").is_displayed():
        assert opened.driver.switch_to.active_element.get_attribute("id") == "tour-title"
        title = opened.one("#tour-title").text
        seen.append((title.split(":")[0], opened.do("return location.hash.split('&tour')[0]")))
        assert opened.one("#tour .card").get_property("scrollTop") == 0
        opened.do("document.querySelector('#tour .card').scrollTop = 1000")  # read to its end
        press(opened, " ")  # a step, also while the tour is open
        assert "step 1" in opened.one("#story h3").text.lower()
        opened.do("document.querySelector('#tour .primary:not(.offer *)').focus()")
        press(opened, Keys.ENTER)
    assert seen == [
        ("1 of 6", "#a=head"), ("2 of 6", "#a=last"), ("3 of 6", "#a=sandwich"),
        ("4 of 6", "#a=head&b=all"), ("5 of 6", "#a=head&b=naive"), ("6 of 6", "#a=head&b=random"),
    ]  # fmt: skip
    assert opened.driver.switch_to.active_element == opened.one(start)
    press(opened, Keys.ENTER, Keys.ESCAPE)
    assert not opened.one("#tour .card").is_displayed()
    assert opened.complaints() == []


def test_a_lesson_leads_to_where_to_watch(opened, saved):
    for lesson, place in ((1, "network"), (2, "story"), (6, "images")):
        opened.open(saved, f"#a=head&tour={lesson}")
        opened.click("#tour .look")
        assert opened.driver.switch_to.active_element.get_attribute("id") == place


def test_a_lesson_that_does_not_exist_leaves_the_tour_as_it_is(opened, saved):
    opened.open(saved, "#a=head&tour=2")
    opened.do("location.hash = '#a=head&tour=99'")
    assert opened.shown("location.hash", "#a=head&tour=2") == "#a=head&tour=2"
    assert "there is no lesson 99" in opened.one("#message").text
    assert opened.one("#tour-title").text.startswith("2 of 6")


def test_a_recorded_page_says_that_its_knobs_can_only_be_read(opened):
    assert COMMAND in opened.one("#knobs").text
    assert not opened.one("#knob-0-batch").is_enabled()


PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
"""A PNG file."""


# The live page, with a program that the test plays

PLAYED = """
window.posts = [];
window.EventSource = class {
  constructor() { window.events = this; this.readyState = 1; }
  close() {}
};
window.fetch = async (name, { body }) => {
  window.posts.push([name, JSON.parse(body)]);
  return { ok: true, text: async () => "" };
};
"""


@pytest.fixture
def live(browser, tmp_path):
    (tmp_path / "page.html").write_text(
        simulator_page(scene_as_json(SCENE), COMMAND), encoding="utf-8"
    )
    driver = browser.driver
    added = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": PLAYED})
    browser.open(tmp_path / "page.html")
    tell(browser, kind="state", stepping=False, lanes=[lane_of(record("head", 0))])
    yield browser
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def lane_of(*records):
    *_, last = records
    return {"settings": asdict(last.settings), "records": [record_as_json(one) for one in records],
            "costs": None}  # fmt: skip


def tell(browser, **event):
    browser.do("events.onmessage({ data: arguments[0] })", json.dumps(event))
    browser.frames()


def turn(browser, id, text):
    """Write into a field and leave it. What was sent since the last time."""
    browser.do(
        """
        window.posts = [];
        const field = document.getElementById(arguments[0]);
        field.value = arguments[1];
        field.dispatchEvent(new Event("change", { bubbles: true }));
        """,
        id, text,
    )  # fmt: skip
    return browser.driver.execute_async_script("setTimeout(() => arguments[0](posts), 20)")


TURNED = [
    ("lr-head", "0.5", {"lr": {"head": 0.5, "backbone": 0.01}}),
    ("lr-backbone", "1e-4", {"lr": {"head": 0.1, "backbone": 1e-4}}),
    ("layer_decay", "0.5", {"layer_decay": 0.5}),
    ("optimizer", "adamw", {"optimizer": "adamw"}),
    ("batch", "3", {"batch": 3}),
    ("weights", "random", {"weights": "random"}),
    ("seed", "7", {"seed": 7}),
]


def test_a_knob_changes_one_setting(live):
    for id, text, expected in TURNED:
        changed = asdict(replace(settings_of("head"), **expected))
        assert turn(live, f"knob-0-{id}", text) == [["lanes", {"lanes": [changed]}]], id


def test_knobs_say_where_the_rates_of_a_preset_come_from(live):
    assert live.texts("#knobs .source") == ["Rates of the recipe's phase one."]
    other = asdict(replace(settings_of("head"), lr={"head": 0.5, "backbone": 0.01}))
    tell(live, kind="settings", lane=0, settings=other)
    assert live.texts("#knobs .source") == [""]


def test_what_was_wrong_in_the_address_is_said_until_the_next_action(live):
    live.do("location.hash = '#a=nobody'")
    said = "document.getElementById('message').textContent.includes('“nobody” is no preset')"
    assert live.shown(said, True) is True
    tell(live, kind="state", stepping=False, lanes=[lane_of(record("head", 0), record("head", 1))])
    assert live.do(f"return {said}")
    press(live, "r")
    tell(live, kind="state", stepping=False, lanes=[lane_of(record("head", 0))])
    assert not live.do(f"return {said}")


FAULTS = [
    ("lr-head", "0", "above 0"), ("lr-head", "", "above 0"), ("lr-head", "-1", "above 0"),
    ("lr-head", "1e31", "above 0"), ("layer_decay", "1.5", "at most 1"),
    ("layer_decay", "0", "at most 1"), ("seed", "1.5", "whole number"),
    ("seed", "4294967296", "whole number"), ("seed", "", "whole number"),
]  # fmt: skip


def test_what_cannot_be_set_is_said_beside_its_field_and_not_sent(live):
    for id, text, said in FAULTS:
        assert turn(live, f"knob-0-{id}", text) == [], (id, text)
        field, fault = live.one(f"#knob-0-{id}"), live.one(f"#knob-0-{id}-fault")
        assert field.get_attribute("aria-invalid") == "true"
        assert said in fault.text
        assert fault.get_attribute("id") in field.get_attribute("aria-describedby").split()


def test_knobs_follow_settings_that_were_changed_elsewhere(live):
    turn(live, "knob-0-lr-head", "nothing")
    other = asdict(replace(settings_of("all"), lr={"head": 0.2, "layer1": 0.3}, batch=3))
    tell(live, kind="settings", lane=0, settings=other)
    values = live.do("return [...document.querySelectorAll('#knobs input')].map(one => one.value)")
    assert values == ["0.2", "", "0.3", "", "0"]
    assert live.one("#knob-0-batch").get_attribute("value") == "3"
    assert live.all("#knobs [aria-invalid]") == []


def test_what_is_being_typed_stays_and_what_is_refused_does_not(live):
    field = live.one("#knob-0-lr-head")
    field.send_keys(Keys.BACKSPACE, "5")
    tell(live, kind="stepped", lane=0, record=record_as_json(record("head", 1)))
    assert field.get_attribute("value") == "0.5"
    assert turn(live, "knob-0-lr-head", "7") != []
    tell(live, kind="failed", text="lr.head must be lower")
    assert field.get_attribute("value") == "0.1"


def test_a_stage_that_is_called_like_a_term_is_no_link(live):
    told = ("features.0 moved by 4 %; the features. stayed.",)
    step = replace(record("head", 1), sentences=told)
    tell(live, kind="stepped", lane=0, record=record_as_json(step))
    assert live.texts("#story a.term") == ["moved by", "features"]
    assert live.texts("#story .sentences li") == [*told]
    before = "return document.querySelectorAll('#story a.term')[1].previousSibling.textContent"
    assert live.do(before) == " 4 %; the "


def test_the_curve_marks_where_settings_changed(live):
    other = replace(settings_of("last"), lr={"head": 0.5, "backbone": 0.01})
    step = replace(record("last", 1), settings=other)
    tell(live, kind="stepped", lane=0, record=record_as_json(step))
    assert live.texts("#curve .changes li") == [
        "Before step 1: layer2 is trainable now; learning rate of the head 0.1 → 0.5."
    ]
    assert len(live.all("#curve .mark")) == 1
    step = replace(record("all", 2), settings=replace(settings_of("all"), lr=other.lr))
    tell(live, kind="stepped", lane=0, record=record_as_json(step))
    assert live.texts("#curve .changes li")[1] == "Before step 2: stem to layer1 are trainable now."


def test_high_losses_have_short_names_at_the_axis(live):
    high = replace(
        record("head", 1), train=replace(record("head", 1).train, loss=30_000.0, correct=0)
    )
    tell(live, kind="stepped", lane=0, record=record_as_json(high))
    names = "return [...document.querySelectorAll('#curve text.loss')].map(one => one.textContent)"
    assert live.do(names) == ["0", "1e4", "2e4", "3e4"]


def test_a_broken_step_keeps_the_images_and_says_that_there_are_no_numbers(live):
    none = Measured(None, 0, ((), (), ()), ((), (), ()))  # as a lane says it: nothing of each image
    broken = replace(record("head", 1), loss=None, train=none, eval=none, broken="The loss is nan.")
    tell(live, kind="stepped", lane=0, record=record_as_json(broken))
    assert len(live.all("#images .card")) == 3
    assert live.texts("#images .verdict") == ["no numbers"] * 3
    assert live.texts("#images .results li")[0] == "loss –, 0 of 2 right (0 %)"


def test_filters_are_shown_at_the_start_and_now(live):
    first = replace(record("all", 0), filters=PIXEL)
    state = [lane_of(first, record("all", 1))]
    tell(live, kind="state", stepping=False, lanes=state)
    assert live.texts("#images figcaption") == ["at the start", "after step 1 (unchanged)"]
    tell(live, kind="stepped", lane=0, record=record_as_json(replace(first, step=2)))
    assert live.texts("#images figcaption")[1].startswith("after step 2")
