"""The live page: lanes, the worker that makes their steps, and the server, as a browser asks it."""

import asyncio
import http.client
import json
import queue
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import takewhile
from urllib.parse import urlsplit

import pytest

from tlf.errors import PluginError, WeightsError
from tlf.runtime.http.answering import answering
from tlf.simulator.costs import Costs
from tlf.simulator.lane import Lane
from tlf.simulator.live import server, serving, worker
from tlf.simulator.live.server import application
from tlf.simulator.live.worker import RefusedError, Worker
from tlf.simulator.messages import costs_as_json, record_as_json, settings_as_json
from tlf.simulator.simulation import Simulation

SECONDS = 60
"""A busy machine may take its time."""
IDLE = {"kind": "stepping", "on": False, "left": None}
TOKEN = "a-secret-token"
JSON = {"Content-Type": "application/json"}


COSTS = Costs("features", 10, 100, 1000, 10_000, 0.5)


@pytest.fixture(autouse=True)
def _costs(monkeypatch):
    """Costs that are known: how they are computed is tested elsewhere."""
    monkeypatch.setattr(Simulation, "costs", lambda *_: COSTS)


class Tab:
    """Events of a worker, as a tab takes them."""

    def __init__(self, worker, ignored=("costs",)):
        self.events, self.ignored = queue.Queue(), ignored
        self.state = json.loads(worker.follow(self.events.put))

    def next(self):
        """The next event; costs are told when there is nothing else to do."""
        while True:
            text = self.events.get(timeout=SECONDS)
            event = text if text is None else json.loads(text)
            if event is None or event["kind"] not in self.ignored:
                return event

    def until(self, kind, **wanted):
        """All events up to one of a kind."""
        found = [self.next()]
        while found[-1] != found[-1] | {"kind": kind, **wanted}:
            found.append(self.next())
        return found

    def kinds_until_idle(self):
        return [event["kind"] for event in self.until("stepping", on=False)]


@pytest.fixture(scope="module")
def opened(simulation):
    one = Worker(simulation)
    one.start()
    yield one
    one.end("the tests are over")


@pytest.fixture
def working(opened, settings):
    """A worker with one lane, before its first step."""
    tab = Tab(opened)
    opened.change([settings["head"]])
    opened.reset()
    tab.until("stepping", on=False)
    opened.leave(tab.events.put)
    return opened


@pytest.fixture
def settings(simulation):
    """Those of the presets."""
    return {preset.id: preset.settings for preset in simulation.scene.presets}


@pytest.fixture
def held(monkeypatch):
    """Steps wait until they are let go; ``held.begun`` is set when one has begun."""
    make_step = Lane.make_step

    class Held:
        begun, go = threading.Event(), threading.Event()

    def wait(lane):
        Held.begun.set()
        assert Held.go.wait(SECONDS)
        return make_step(lane)

    monkeypatch.setattr(Lane, "make_step", wait)
    yield Held
    Held.go.set()


def beginnings(state):
    """The first records of the lanes, of which each has one."""
    return [record for lane in state["lanes"] for record in lane["records"]]


# Lanes and their steps


def test_steps_are_made_and_told_and_a_tab_that_opens_later_sees_the_same(working):
    tab = Tab(working)
    (lane,) = tab.state["lanes"]
    assert [record["step"] for record in lane["records"]] == [0]
    assert (tab.state["stepping"], tab.state["left"]) == (False, None)
    working.step(2)
    events = tab.until("stepping", on=False)
    steps = [event["record"] for event in events if event["kind"] == "stepped"]
    assert [record["step"] for record in steps] == [1, 2]
    assert events[0] == {"kind": "stepping", "on": True, "left": None}
    assert Tab(working).state["lanes"][0]["records"] == [*lane["records"], *steps]


@pytest.mark.slow
def test_what_is_told_is_what_a_lane_alone_does(working, simulation, settings):
    tab = Tab(working)
    working.change([settings["all"]])
    working.step(2)
    told = [event["record"] for event in tab.until("stepping", on=False) if "record" in event]
    alone = simulation.lane(settings["all"])
    alone.start()
    for record in told:
        mine = json.loads(json.dumps(record_as_json(alone.make_step())))
        changing = {"seconds": None, "sentences": None}
        assert record | changing == mine | changing


def test_lanes_have_always_made_the_same_number_of_steps(working, settings):
    tab = Tab(working)
    working.step(1)
    tab.until("stepped")
    working.change([settings["head"], settings["all"]])
    state = tab.until("state")[-1]
    assert [len(lane["records"]) for lane in state["lanes"]] == [1, 1]
    assert [lane["settings"] for lane in state["lanes"]] == [
        settings_as_json(settings["head"]), settings_as_json(settings["all"])
    ]  # fmt: skip
    tab.kinds_until_idle()
    working.step(1)
    assert tab.kinds_until_idle() == ["stepping", "stepped", "stepped", "stepping"]
    other_seed = replace(settings["all"], seed=7)
    working.change([settings["head"], other_seed])
    state = tab.until("state")[-1]
    assert [lane["records"][0]["step"] for lane in state["lanes"]] == [0, 0]
    assert state["lanes"][1]["settings"]["seed"] == 7
    working.step(1)
    tab.until("stepped", lane=1)
    records = Tab(working).state["lanes"][0]["records"]
    assert [record["step"] for record in records] == [0, 1]
    working.change([settings["last"]])  # a lane that is removed leaves the other as it is
    (lane,) = tab.until("state")[-1]["lanes"]
    assert lane["records"] == records
    assert lane["settings"] == settings_as_json(settings["last"])


def test_before_its_first_step_a_lane_tells_of_the_settings_that_it_has(working, settings):
    tab = Tab(working)
    smaller = replace(settings["last"], batch=2)
    working.change([smaller])
    (lane,) = tab.until("state")[-1]["lanes"]
    (record,) = lane["records"]
    assert record["settings"] == lane["settings"] == settings_as_json(smaller)
    assert len(record["train"]["probabilities"]) == 2
    assert record["sentences"] != beginnings(tab.state)[0]["sentences"]
    working.step(1)
    tab.until("stepped")
    working.change([settings["head"]])  # after a step, what it was made with stays
    assert "state" not in [event["kind"] for event in tab.until("stepping", on=False)]


def test_reset_goes_back_to_the_same_state(working):
    tab = Tab(working)
    working.step(1)
    tab.kinds_until_idle()
    working.reset()
    assert beginnings(tab.until("state")[-1]) == beginnings(tab.state)


def test_costs_are_told_when_settings_have_changed(working, settings):
    tab = Tab(working, ignored=["stepping", "settings", "stepped"])
    of_all, of_last = (costs_as_json(COSTS, settings[id]) for id in ("all", "last"))
    working.change([settings["head"], settings["all"]])
    assert tab.next()["kind"] == "state"
    assert tab.next() == {"kind": "costs", "lane": 1, "costs": of_all}
    working.change([settings["last"]])
    assert tab.next()["kind"] == "state"
    assert tab.next() == {"kind": "costs", "lane": 0, "costs": of_last}
    working.reset()
    assert tab.next()["lanes"][0]["costs"] == of_last


def test_settings_are_told_at_once_and_used_from_the_next_step_on(working, settings, held):
    tab = Tab(working)
    working.step(2)
    assert held.begun.wait(SECONDS)
    working.change([settings["all"]])
    assert tab.until("settings")[-1]["settings"] == settings_as_json(settings["all"])
    assert Tab(working).state["lanes"][0]["settings"] == settings_as_json(settings["all"])
    held.go.set()
    first, second = [e["record"] for e in tab.until("stepping", on=False) if "record" in e]
    assert first["settings"] == settings_as_json(settings["head"])
    assert second["settings"] == settings_as_json(settings["all"])


def test_stop_makes_no_step_after_the_one_that_is_being_made(working, held):
    tab = Tab(working)
    working.step(10)
    assert held.begun.wait(SECONDS)
    working.stop()
    held.go.set()
    assert tab.kinds_until_idle() == ["stepping", "stepped", "stepping"]


def test_so_many_steps_can_wait(working, held):
    working.step(1)
    assert held.begun.wait(SECONDS)
    working.step(100)
    with pytest.raises(RefusedError, match="at most 100 steps can wait, and 100 do; wait, or stop"):
        working.step(1)
    working.stop()


def test_records_are_kept_for_so_many_steps(working, monkeypatch):
    monkeypatch.setattr(worker, "MOST_STEPS", 2)
    tab = Tab(working)
    working.step(5)
    events = tab.until("stepping", on=False)
    assert [event["kind"] for event in events] == ["stepping", "stepped", "stepped", "stepping"]
    assert events[-1]["left"] == Tab(working).state["left"] == 0
    with pytest.raises(RefusedError, match="2 steps at most, and all are made; reset to make new"):
        working.step(1)
    working.reset()
    working.step(1)
    assert "stepped" in tab.kinds_until_idle()


# What goes wrong


def test_a_network_that_explodes_makes_no_step_until_a_reset(working, settings):
    tab = Tab(working)
    wild = replace(settings["all"], lr={"head": 1e30, "backbone": 1e30})
    working.change([wild])
    working.step(10)
    *_, stepped, failed = tab.until("failed")
    assert stepped["record"]["step"] < 10
    assert failed["text"] == f"{stepped['record']['broken']}; no further step is made until a reset"
    assert tab.next() == IDLE
    with pytest.raises(RefusedError, match="no further step is made until a reset"):
        working.step(1)
    working.change([settings["head"]])  # its weights are as they are
    tab.until("settings")
    with pytest.raises(RefusedError):
        working.step(1)
    working.reset()
    working.step(1)
    tab.until("stepped")


def test_a_network_that_is_broken_before_its_first_step_makes_none(working, monkeypatch):
    tab, start = Tab(working), Lane.start
    monkeypatch.setattr(Lane, "start", lambda lane: replace(start(lane), broken="The loss is nan"))
    working.reset()
    told = "The loss is nan; no further step is made until a reset"
    assert tab.until("failed")[-1]["text"] == told
    with pytest.raises(RefusedError, match=told):
        working.step(1)
    monkeypatch.undo()
    working.reset()
    working.step(1)
    tab.until("stepped")


def test_an_error_in_a_step_is_told_and_the_program_lives(working, monkeypatch):
    tab, make_step = Tab(working), Lane.make_step

    def break_down(lane):
        make_step(lane)
        raise PluginError("plugin 'odd' (1.0) failed in training: it is tired")

    monkeypatch.setattr(Lane, "make_step", break_down)
    working.step(3)
    events = tab.until("stepping", on=False)
    assert [event["kind"] for event in events] == ["stepping", "failed", "stepping"]
    assert events[1]["text"] == (
        "plugin 'odd' (1.0) failed in training: it is tired; no further step is made until a reset"
    )
    monkeypatch.undo()
    working._do(partial(working._lanes.count_costs, 0))  # costs that come later hide no reason
    with pytest.raises(RefusedError, match="it is tired"):
        working.step(1)
    working.reset()
    working.step(1)
    events = tab.until("stepped")
    assert events[-1]["record"]["step"] == 1
    (state,) = [event for event in events if event["kind"] == "state"]
    assert beginnings(state) == beginnings(tab.state)


@pytest.mark.slow
def test_a_bug_is_told_too_and_leaves_its_traceback(working, monkeypatch, capfd):
    tab = Tab(working)
    monkeypatch.setattr(Lane, "make_step", lambda _: {}["missing"])
    working.step(1)
    assert "KeyError: 'missing'" in tab.until("failed")[-1]["text"]
    tab.until("stepping", on=False)
    assert "Traceback" in capfd.readouterr().err


def test_settings_whose_network_cannot_be_built_are_taken_back(working, settings, monkeypatch):
    tab = Tab(working)

    def fail(*_):
        raise WeightsError("the weights are gone")

    other = replace(settings["head"], seed=5)
    monkeypatch.setattr(Lane, "change", fail)
    working.change([other])
    events = tab.until("stepping", on=False)
    told = [event["settings"]["seed"] for event in events if event["kind"] == "settings"]
    assert told == [5, settings["head"].seed]
    assert [event["text"] for event in events if event["kind"] == "failed"] == [
        "the weights are gone; no further step is made until a reset"
    ]
    monkeypatch.undo()
    working.change([other])
    assert tab.until("state")[-1]["lanes"][0]["settings"]["seed"] == 5
    working.step(1)
    tab.until("stepped")


def test_a_lane_that_cannot_start_is_taken_back(working, settings, monkeypatch):
    tab, start = Tab(working), Lane.start

    def fail(lane):
        if lane.settings == settings["all"]:
            raise PluginError("plugin 'odd' (1.0) failed in forward: it is tired")
        return start(lane)

    monkeypatch.setattr(Lane, "start", fail)
    working.change([settings["head"], settings["all"]])
    tab.until("failed")
    assert tab.until("stepping", on=False)
    assert working._thread.is_alive()
    (lane,) = Tab(working).state["lanes"]
    assert lane["settings"] == settings_as_json(settings["head"])
    with pytest.raises(RefusedError, match="it is tired; no further step is made until a reset"):
        working.step(1)
    monkeypatch.undo()
    working.change([settings["head"], settings["all"]])
    assert len(tab.until("state")[-1]["lanes"]) == 2
    working.step(1)
    tab.until("stepped", lane=1)


def test_the_end_is_told_once_and_the_thread_ends(simulation, held):
    one = Worker(simulation)
    one.start()
    tab = Tab(one)
    one.step(5)
    assert held.begun.wait(SECONDS)
    one.end("it has ended")
    assert tab.until("failed")[-1] == {"kind": "failed", "text": "it has ended", "ended": True}
    assert tab.next() is None
    late = Tab(one)
    assert late.next() is None
    held.go.set()
    one._thread.join(SECONDS)
    assert not one._thread.is_alive()
    assert tab.events.empty()


# The server


@contextmanager
def answered(simulation):
    one = Worker(simulation)
    page = "<!doctype html><title>the page</title>"
    app = application(one, simulation.scene, page, TOKEN)
    with (
        serving.listening(0) as listener,
        answering(app, listener, "answers", seconds=1, waiting=8),
    ):
        one.start()
        try:
            yield Browser(listener.getsockname()[1], one)
        finally:
            one.end("tlf has ended")


class Browser:
    """Asks the server."""

    def __init__(self, port, worker):
        self.port, self.worker, self.connections = port, worker, []

    @contextmanager
    def asking(self, path, method="GET", body=None, headers=None):
        """The answer, which is not read yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        with closing(connection):
            connection.request(method, path, body, headers or {})
            with connection.getresponse() as answer:
                yield answer

    def ask(self, path, method="GET", body=None, headers=None):
        """Status, text and headers of an answer."""
        with self.asking(path, method, body, headers) as answer:
            return answer.status, answer.read().decode(), answer.headers

    def post(self, name, content, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask(f"/{TOKEN}/{name}", "POST", body, JSON | headers)[:2]

    @contextmanager
    def follow(self):
        """The events of a tab, one after the other."""
        with self.asking(f"/{TOKEN}/events") as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            yield (json.loads(line[6:]) for line in stream if line.startswith(b"data: "))


@pytest.fixture(scope="module")
def browser(simulation):
    with answered(simulation) as one:
        yield one


def test_the_page_is_served_to_those_who_know_the_token(browser):
    status, text, headers = browser.ask(f"/{TOKEN}/")
    assert (status, "the page" in text) == (200, True)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    status, _, headers = browser.ask(f"/{TOKEN}")
    assert (status, urlsplit(headers["Location"]).path) == (307, f"/{TOKEN}/")


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}), ("/x/", {}), (f"/{TOKEN}x/", {}), (f"/{TOKEN[:-1]}/events", {}), ("/%ff/", {}),
        ("*", {}), (f"/{TOKEN}/nothing", {}), (f"/{TOKEN}/../", {}),
        (f"/{TOKEN}/", {"Host": "evil.example"}), (f"/{TOKEN}/", {"Host": "[::1"}),
        (f"/{TOKEN}/", {"Host": "evil.example@127.0.0.1"}),
        (f"/{TOKEN}/", {"Host": "127.0.0.1/evil"}),
        (f"/{TOKEN}/", {"Origin": "http://evil.example"}), (f"/{TOKEN}/", {"Origin": "null"}),
    ],
)  # fmt: skip
def test_nobody_else_learns_anything(browser, path, headers):
    status, text, answered = browser.ask(path, headers=headers)
    assert (status, text) == (404, server.NOWHERE)
    assert TOKEN not in str(answered)


def test_another_name_of_this_computer_is_answered(browser):
    host = f"localhost:{browser.port}"
    assert browser.ask(f"/{TOKEN}/", headers={"Host": host})[0] == 200
    own = {"Host": host, "Origin": f"http://{host}"}
    assert browser.post("stop", {}, **own) == (204, "")


@pytest.mark.parametrize("path", ["/", f"/{TOKEN}/", f"/{TOKEN}/step", f"/{TOKEN}/events"])
def test_every_answer_protects_itself(browser, path):
    with browser.asking(path) as answer:
        assert {name: answer.headers[name] for name in server.HEADERS} == server.HEADERS
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("name", "content", "headers", "status", "text"),
    [
        ("step", b"{", {}, 400, "must be a JSON object"),
        ("step", b"[" * 90_000, {}, 400, "must be a JSON object"),
        ("step", b"\xff", {}, 400, "must be a JSON object"),
        ("step", {"count": "many"}, {}, 400, "count must be a whole number from 1 to 100, got 'ma"),
        ("lanes", {"lanes": []}, {}, 400, "the settings of one lane or two, got 0"),
        ("lanes", {"lanes": [{"colour": 1}]}, {}, 400, "there is no setting 'colour'"),
        ("stop", {}, {"Content-Type": "text/plain"}, 415, "must be application/json"),
        ("stop", {}, {"Origin": "http://evil.example"}, 404, "no such page"),
        ("stop", b"x" * 100_001, {}, 413, "at most 100,000 bytes"),
        ("nothing", {}, {}, 404, "no such page"),
        ("events", {}, {}, 405, ""),
    ],
)
def test_a_message_that_is_wrong_changes_nothing(browser, name, content, headers, status, text):
    tab = Tab(browser.worker)
    code, said = browser.post(name, content, **headers)
    assert (code, text in said) == (status, True), said
    assert browser.ask(f"/{TOKEN}/{name}", "DELETE")[0] in (404, 405)
    assert Tab(browser.worker).state == tab.state


def test_tabs_hear_the_same_also_one_that_is_loaded_again_in_the_middle_of_a_step(browser, held):
    with browser.follow() as first:
        assert next(first)["kind"] == "state"
        assert browser.post("step", {"count": 1}) == (204, "")
        assert held.begun.wait(SECONDS)
        with browser.follow() as second:
            assert next(second)["stepping"]
            held.go.set()
            heard = [[*takewhile(lambda event: event["kind"] != "costs" and event != IDLE, tab)]
                     for tab in (first, second)]  # fmt: skip
            assert heard[1] == heard[0][-1:]
            assert heard[1][0]["kind"] == "stepped"


def test_a_refusal_is_answered(browser, monkeypatch):
    monkeypatch.setattr(worker, "MOST_STEPS", 0)
    status, text = browser.post("step", {"count": 1})
    assert (status, "reset to make new ones" in text) == (409, True)


def test_a_tab_that_vanishes_is_forgotten_and_one_that_is_idle_gets_signs_of_life(
    browser, monkeypatch
):
    monkeypatch.setattr(server, "HEARTBEAT", 0.01)
    before = [*browser.worker._listeners]
    with browser.asking(f"/{TOKEN}/events") as stream:
        while stream.readline() != b": still here\n":
            pass
        (own,) = [one for one in browser.worker._listeners if one not in before]
    for _ in range(600):
        if own not in browser.worker._listeners:
            break
        time.sleep(0.1)
    assert own not in browser.worker._listeners


def test_a_tab_that_vanishes_while_it_asks_is_no_error(browser, capfd):
    connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=SECONDS)
    with closing(connection):
        connection.putrequest("POST", f"/{TOKEN}/stop")
        for name, value in (JSON | {"Content-Length": "9"}).items():
            connection.putheader(name, value)
        connection.endheaders(b"{")
    assert browser.post("stop", {}) == (204, "")
    assert capfd.readouterr().err == ""


def test_a_tab_that_reads_no_more_is_cut_off(working, monkeypatch):
    monkeypatch.setattr(server, "MOST_EVENTS", 3)

    async def slow():
        events = server._events(working)
        assert '"kind":"state"' in await anext(events)
        listener = working._listeners[-1]
        for _ in range(9):
            listener("{}")
        while listener in working._listeners:
            await asyncio.sleep(0)
        return [event async for event in events]

    assert asyncio.run(slow()) == []


def test_open_tabs_do_not_keep_the_server(simulation):
    with ExitStack() as exits:
        with answered(simulation) as one:
            tabs = [exits.enter_context(one.follow()) for _ in range(3)]
            assert [next(tab)["kind"] for tab in tabs] == ["state"] * 3
        for tab in tabs:
            *_, last = tab
            assert last == {"kind": "failed", "text": "tlf has ended", "ended": True}
