"""The recorded page: what is in the file, and that a browser plays it without a network."""

import json
import re
import time
from dataclasses import replace

import pytest

from browsers import OWN, Browser, needs_axe
from generators import exhausted
from places import ROOT
from reported import EVIL_CLASSES, EVIL_NAME
from small import TWO_PHASES, write_recipe
from tlf.errors import DataError, TlfError
from tlf.events import Notice, Prepared
from tlf.runtime.strict_json import dumps
from tlf.simulator import recording
from tlf.simulator.messages import scene_as_json
from tlf.simulator.page.compact import rounded
from tlf.simulator.recording import (
    MOST_BYTES,
    record,
    recorded_page,
    write_recording,
)
from tlf.simulator.simulation import open_simulation

COMMAND = "tlf simulate 'my \"recipe\" <b>.toml'"
LONG_COMMAND = "tlf simulate '/home/me/my \"recipe\" <b>.toml'"
STEPS = 2
PRESETS = ("head", "last", "all")


@pytest.fixture(scope="module")
def simulation(images, tmp_path_factory):
    recipe = write_recipe(tmp_path_factory.mktemp("recorded") / "recipe.toml", images, TWO_PHASES)
    opened = exhausted(open_simulation(recipe))[0]
    presets = [one for one in opened.scene.presets if one.id in PRESETS]
    return replace(opened, scene=replace(opened.scene, presets=tuple(presets)))


@pytest.fixture(scope="module")
def recorded(simulation):
    """Recordings, and the events before."""
    return exhausted(record(simulation, LONG_COMMAND, STEPS))


@pytest.fixture(scope="module")
def recordings(recorded):
    return recorded[0]


@pytest.fixture(scope="module")
def evil(recordings):
    """The same recordings, with names that are markup."""
    scene = recordings.scene
    first, *others = scene.train
    train = (replace(first, name=EVIL_NAME), *others)
    scene = replace(scene, title=COMMAND, classes=EVIL_CLASSES[:2], train=train)
    return replace(recordings, scene=scene)


def content_of(html, id):
    (text,) = re.findall(rf'<script type="application/json" id="{id}">(.*?)</script>', html)
    return json.loads(text)


def numbers(value):
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from numbers(one)


# The file


def test_each_preset_is_recorded_from_the_network_before_its_first_step(recorded):
    recordings, events = recorded
    presets = recordings.scene.presets
    assert [one.preset for one in recordings.presets] == [*presets]
    for one in recordings.presets:
        assert [made.step for made in one.records] == [*range(STEPS + 1)]
        assert all(made.settings == one.preset.settings for made in one.records)
        assert all(made.sentences for made in one.records)
    assert {type(event) for event in events} == {Prepared}
    images = STEPS * sum(preset.settings.batch for preset in presets)
    assert (events[-1].done, events[-1].images) == (images, images)


def test_a_page_holds_what_was_recorded_rounded_to_six_digits(recordings):
    found = content_of(recorded_page(recordings), "recordings")
    assert found["command"] == COMMAND
    for one in recordings.presets:
        records = found["records"][one.preset.id]
        for made, shown in zip(one.records, records, strict=True):
            assert shown["eval"]["loss"] == pytest.approx(made.eval.loss, rel=5e-6)
            assert shown["sentences"] == [*made.sentences]
            for name, row in zip(found["stages"], shown["stages"], strict=True):
                stage = dict(zip(found["columns"], row, strict=True))
                assert stage["moved"] == made.stages[name].moved
                assert stage["flow"] == rounded(made.stages[name].flow)
    assert max(len(repr(number)) for number in numbers(found)) <= len("-1.23456e-100")


def test_the_page_names_no_folder_of_this_computer(recordings, images):
    scene = recordings.scene
    assert {image.name.split("/")[0] for image in scene.train} == {"train"}
    train = (replace(scene.train[0], name=f"{images}/a/1.jpg"),)
    notes = (f"they are in {images}/a", f"a: {images}/a/2.jpg (bad) and '/home/me/2.jpg'")
    one = recording._without_folders(replace(scene, train=train, eval=(), notes=notes))
    assert one.notes == ("they are in a", "a: 2.jpg (bad) and '2.jpg'")
    other = replace(train[0], name="/elsewhere/me/b/1.jpg")
    far = recording._without_folders(replace(scene, train=train, eval=(other,), notes=notes))
    assert [image.name for image in (*far.train, *far.eval)] == ["a/1.jpg", "b/1.jpg"]
    assert far.notes == one.notes
    assert str(images) not in recorded_page(recordings)


def test_what_repeats_stands_once(recordings):
    html = recorded_page(recordings)
    thumbnail = recordings.scene.train[0].thumbnail
    assert html.count(thumbnail) == 1
    assert html.count('"layer_decay":') == len(recordings.presets)
    pictures = content_of(html, "recordings")["pictures"]
    assert len(pictures) == len({*pictures})


def test_a_preset_that_cannot_train_is_left_out_and_the_page_says_so(simulation, monkeypatch):
    lane, presets = type(simulation).lane, simulation.scene.presets

    def one_fails(self, settings):
        if settings == presets[0].settings:
            raise TlfError("nothing trains")
        return lane(self, settings)

    monkeypatch.setattr(type(simulation), "lane", one_fails)
    recordings, events = exhausted(record(simulation, COMMAND, 1))
    note = f"The preset “{presets[0].title}” was not recorded: nothing trains"
    assert Notice(note) in events
    assert recordings.scene.notes[-1] == note
    assert len(recordings.presets) == len(presets) - 1


def test_a_page_takes_the_place_of_the_one_before(recordings, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("the one before")
    assert write_recording(recordings, path) == ()
    assert path.read_text(encoding="utf-8") == recorded_page(recordings)
    assert [*tmp_path.iterdir()] == [path]
    assert path.stat().st_size < MOST_BYTES


def large(recordings, classes, stages):
    """The same, with more classes and more stages."""
    scene = recordings.scene
    first = scene.stages[0]
    names = [f"stage{number}" for number in range(stages)]

    def grown(one):
        (_, stage), *_ = one.records[-1].stages.items()
        records = (replace(one.records[-1], stages=dict.fromkeys(names, stage)),) * 13
        return replace(one, records=records)

    scene = replace(
        scene,
        classes=tuple(f"class number {number}" for number in range(classes)),
        stages=tuple(replace(first, name=name) for name in names),
    )
    return replace(recordings, scene=scene, presets=tuple(map(grown, recordings.presets)))


def test_a_thousand_classes_and_sixty_stages_fit(recordings, tmp_path):
    assert write_recording(large(recordings, 1000, 60), tmp_path / "page.html") == ()


def test_a_page_that_is_too_large_leaves_out_pictures_and_says_so(
    recordings, tmp_path, monkeypatch
):
    path = tmp_path / "page.html"
    size = len(recorded_page(recordings).encode())
    monkeypatch.setattr(recording, "MOST_BYTES", size)
    notes = write_recording(recordings, path)
    assert notes
    assert content_of(path.read_text(encoding="utf-8"), "scene")["notes"][-len(notes) :] == [*notes]
    assert path.stat().st_size < size


def test_a_page_that_cannot_be_small_is_an_error(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "MOST_BYTES", 10_000)
    with pytest.raises(DataError, match=r"less than 10 kB, got .* 2 classes .*tlf simulate"):
        write_recording(recordings, tmp_path / "page.html")
    assert [*tmp_path.iterdir()] == []


# In a browser


@pytest.fixture(scope="module")
def page(evil, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_recording(evil, path)
    return path


@pytest.fixture
def opened(browser, page):
    browser.requests(), browser.complaints()
    browser.open(page)
    return browser


def test_nothing_is_loaded_and_markup_is_inert(opened):
    assert [url for url in opened.requests() if not url.startswith(OWN)] == []
    assert opened.complaints() == []
    assert opened.all("img[src=x], main b") == []
    assert COMMAND in opened.one("footer").text
    opened.do("fetch('https://example.org').catch(() => {})")
    assert "Content Security Policy" in " ".join(opened.complaints())


HASH = "location.hash"


def test_the_address_names_the_lanes_and_survives_a_reload(opened, page):
    assert opened.do(f"return {HASH}") == "#a=head"
    address = "#a=last,layer1:trainable;batch=4;lr.head=0.5&b=all"
    opened.open(page, address)
    assert opened.do(f"return {HASH}") == address
    assert "not recorded" in opened.one("#message").text
    opened.driver.refresh()
    assert opened.do(f"return {HASH}") == address
    opened.do("location.hash = '#a=all'")
    assert opened.shown(HASH, "#a=all") == "#a=all"
    assert opened.one("#message").text == ""


def test_a_recording_is_played_by_keys_and_a_stage_by_a_click(opened):
    body, count = opened.one("body"), "document.querySelector('#controls .counter').innerText"
    assert opened.do(f"return {count}") == f"Step 0 of {STEPS}"
    body.send_keys(" ")
    assert opened.do(f"return {count}") == f"Step 1 of {STEPS}"
    body.send_keys("x")
    assert opened.shown(count, f"Step {STEPS} of {STEPS}") == f"Step {STEPS} of {STEPS}"
    end = f"The recording ends after {STEPS} steps. The live page goes on: {COMMAND}"
    assert opened.one("#message").text == end
    body.send_keys("r")
    assert opened.do(f"return {count}") == f"Step 0 of {STEPS}"
    opened.click('.block[data-stage="layer4"]')  # now it trains, as in the preset "last"
    assert opened.do(f"return {HASH}") == "#a=last"
    body.send_keys(" ")
    opened.click('.block[data-stage="layer1"]')
    assert opened.one("#message").text.startswith("These settings were not recorded.")
    body.send_keys(" ")
    assert opened.do(f"return {HASH}") == "#a=last,layer1:trainable"
    opened.click('[data-preset="all"]')
    body.send_keys("c")
    assert opened.do(f"return {HASH}") == "#a=all&b=all"
    body.send_keys(" ")
    assert opened.do(f"return {count}") == f"Step 1 of {STEPS}"
    assert opened.complaints() == []


@pytest.mark.parametrize(
    "address",
    [
        "#a=nobody", "#c=head", "#a=head,layer9:frozen", "#a=head;batch=1000000", "#nonsense",
        "#a=head;seed=-1", "#a=head;toString=1", "#a=head,head:%E0%A4%A", "#a=head;lr.head=1e999",
        "#a=head;lr.head=1e31", "#a=head;seed=4294967296",
        "#a=<script>alert(1)</script>", "#a=head;__proto__=1", "#&&;;==,,::",
    ],
)  # fmt: skip
def test_nonsense_in_the_address_is_said_and_ignored(opened, page, address):
    opened.open(page, address)
    assert opened.do(f"return {HASH}") == "#a=head"
    assert opened.one("#message").text.startswith("The address was not understood: “")
    assert opened.complaints() == []


def test_without_scripts_the_recorded_figures_are_a_table(browser, page, evil):
    browser.scripts(on=False)
    try:
        browser.open(page)
        rows = browser.texts("main tbody tr")
        assert len(rows) == len(evil.presets)
        last = evil.presets[0].records[-1]
        assert f"{last.eval.loss:.3f}" in rows[0]
        assert not browser.one("#network").is_displayed()
    finally:
        browser.scripts(on=True)


@needs_axe
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_axe_finds_nothing_serious(opened, scheme, width):
    opened.media(scheme, width)
    assert opened.serious_faults() == []
    for zoomed in (width, 640):  # as 1280 at 200 %
        opened.media(scheme, zoomed)
        assert opened.do("return document.documentElement.scrollWidth") <= zoomed
    opened.media("light", 1280)


@pytest.mark.slow
def test_the_recorded_example_is_what_its_command_records():
    example = (ROOT / "recipes" / "resnet18_finetune.html").read_text(encoding="utf-8")
    old, recorded = content_of(example, "scene"), content_of(example, "recordings")
    simulation, _ = exhausted(open_simulation(ROOT / "recipes" / "resnet18_finetune.toml"))
    new = scene_as_json(simulation.scene)
    if new["batches"] != old["batches"]:
        pytest.skip("on this computer a step takes another number of images")
    same = ("title", "classes", "stages", "presets", "size")
    assert {key: json.loads(dumps(new[key])) for key in same} == {key: old[key] for key in same}
    scene = replace(simulation.scene, presets=simulation.scene.presets[:2])
    made, _ = exhausted(record(replace(simulation, scene=scene), recorded["command"], 3))
    for one in made.presets:
        for step, before in zip(one.records, recorded["records"][one.preset.id], strict=False):
            assert before["eval"]["loss"] == pytest.approx(step.eval.loss, rel=0.01)
            assert before["train"]["loss"] == pytest.approx(step.train.loss, rel=0.01)
            moved = dict(zip(recorded["stages"], before["stages"], strict=True))
            unchanged = recorded["columns"].index("unchanged")
            assert {name: row[unchanged] for name, row in moved.items()} == {
                name: stage.unchanged for name, stage in step.stages.items()
            }


@pytest.mark.slow
def test_no_task_of_the_page_takes_fifty_milliseconds_during_twelve_steps(evil, tmp_path):
    def lengthened(one):
        first, *others = one.records
        steps = [replace(others[n % len(others)], step=n + 1) for n in range(12)]
        return replace(one, records=(first, *steps))

    path = tmp_path / "page.html"
    write_recording(replace(evil, presets=tuple(map(lengthened, evil.presets))), path)
    browser = Browser(tmp_path, trace="toplevel,blink.user_timing,devtools.timeline")
    try:
        browser.open(path, "#a=all&b=last")
        time.sleep(2)
        browser.do("performance.mark('begin')")
        for _ in range(12):
            browser.one("body").send_keys(" ")
            time.sleep(1.5)
        browser.do("performance.mark('end')")
        tasks = browser.main_thread_tasks("begin", "end")
    finally:
        browser.driver.quit()
    assert len(tasks) > 100
    assert max(tasks) < 50
