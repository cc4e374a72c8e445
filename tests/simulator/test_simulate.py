"""The simulator as a function: its port, its end, and what it needs."""

import errno
import importlib.util
import os
import re
import socket
import threading
import urllib.request
from contextlib import closing

import pytest

import tlf
from small import TWO_PHASES, write_recipe
from tlf.errors import RecipeError, RunError, UnwritableError
from tlf.events import Notice, SimulatorStarted
from tlf.simulator import simulation as opening
from tlf.simulator.live import serving
from tlf.simulator.live.serving import OPENING, listening


@pytest.fixture
def recipe(tmp_path, images):
    return write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)


@pytest.fixture
def opened(simulation, monkeypatch):
    """The recipe is open already. At the end, no worker computes with its network."""

    def open_it(*_):
        yield from ()
        return simulation

    monkeypatch.setattr(opening, "open_simulation", open_it)
    yield
    for thread in threading.enumerate():
        if thread.name == "tlf simulate":
            thread.join(60)


def is_used(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_the_page_is_served_until_the_generator_is_closed(recipe, opened):
    before = {*threading.enumerate()}
    events = tlf.simulate(recipe, ["seed=1"], port=0)
    assert next(events) == OPENING  # a terminal says what takes so long
    started = next(events)
    assert isinstance(started, SimulatorStarted)
    address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/[\w-]{32}/", started.address)
    page = urllib.request.urlopen(started.address).read().decode()
    assert f"tlf simulate {recipe} seed=1" in page
    stream = urllib.request.urlopen(f"{started.address}events")
    assert stream.readline() == b"retry: 1000\n"
    events.close()
    told = stream.read().decode()
    assert "tlf has ended. Start it again, and open its new address: tlf simulate " in told
    assert not is_used(int(address[1]))
    for thread in {*threading.enumerate()} - before:
        thread.join(60)
    assert {*threading.enumerate()} == before


def test_a_port_in_use_and_a_browser_that_cannot_be_opened_are_said(recipe, opened, monkeypatch):
    tried = []
    monkeypatch.setattr("webbrowser.open", lambda address: tried.append(address))
    with listening(0) as other:
        port = other.getsockname()[1]
        with closing(tlf.simulate(recipe, port=port, open_browser=True)) as events:
            notice, _, started, sorry = (next(events) for _ in range(4))
    used = int(started.address.split(":")[2].split("/")[0])
    assert used > port
    assert notice.text == f"port {port} is in use, so the page is at port {used}"
    assert sorry.text == "no browser could be opened; open the address yourself"
    assert tried == [started.address]


def test_no_free_port_is_an_error(monkeypatch):
    monkeypatch.setattr(serving, "TRIED", 1)
    with listening(0) as other:
        port = other.getsockname()[1]
        with pytest.raises(RunError, match=f"got {port}: Address already in use; write --port 0$"):
            listening(port).__enter__()
    for other in (-1, 65_536):
        with pytest.raises(RunError, match=f"got {other}: it is no port; write --port 8600"):
            listening(other).__enter__()


def test_a_mistake_in_the_recipe_comes_first(recipe, monkeypatch):
    monkeypatch.setattr(serving, "listening", None)
    with pytest.raises(RecipeError, match="batch_sise"):
        next(tlf.simulate(recipe, ["batch_sise=1"]))


SERVE = ("starlette", "uvicorn")


@pytest.fixture
def without_server(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in SERVE else find(name)
    )


def test_without_its_packages_the_line_that_installs_them_is_named(without_server):
    with pytest.raises(RunError, match=r"^starlette, uvicorn are not in.*pip install 'tlf\[se"):
        next(tlf.simulate("nowhere.toml"))


def test_a_page_is_saved_without_them(recipe, opened, without_server, monkeypatch, tmp_path):
    made, odd, page = [], tmp_path / os.fsdecode(b"caf\xe9.toml"), tmp_path / "page.html"

    def record(simulation, command):
        yield from ()
        return command

    monkeypatch.setattr("tlf.simulator.recording.record", record)

    def write(recordings, path):
        made.append(recordings)
        path.write_text("page")
        assert page.read_text() == "the one before"
        return ["it is small"]

    monkeypatch.setattr("tlf.simulator.recording.write_recording", write)
    page.write_text("the one before")
    _, *notes = [*tlf.simulate(recipe.rename(odd), save=page)]
    assert made == [rf"tlf simulate '{tmp_path}/caf\xe9.toml'"]
    assert notes == [Notice("it is small")]
    assert page.read_text() == "page"
    assert {*tmp_path.iterdir()} == {odd, page}


def test_a_file_that_cannot_be_written_is_an_error_before_anything_slow(recipe, monkeypatch):
    monkeypatch.setattr(opening, "open_simulation", None)
    with pytest.raises(RunError, match=r"cannot write /nowhere/page.html: No such file or direct"):
        next(tlf.simulate(recipe, save="/nowhere/page.html"))


def test_another_error_of_the_disk_is_not_taken_for_that_of_the_page(recipe, monkeypatch, tmp_path):
    def open_it(_):
        yield from ()
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(opening, "open_simulation", open_it)
    with pytest.raises(OSError, match=r"^\[Errno \d+\] Too many open files$"):
        list(tlf.simulate(recipe, save=tmp_path / "page.html"))
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.toml"]


def test_a_full_disk_is_said_of_the_file_that_was_asked_for(recipe, opened, monkeypatch, tmp_path):
    def write(_, path):
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr("tlf.simulator.recording.record", lambda *_: iter(()))
    monkeypatch.setattr("tlf.simulator.recording.write_recording", write)
    page = tmp_path / "page.html"
    with pytest.raises(UnwritableError, match=f"^cannot write {page}: No space left on device$"):
        list(tlf.simulate(recipe, save=page))
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.toml"]
