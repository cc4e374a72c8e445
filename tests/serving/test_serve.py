"""The port, the models that are loaded, and the end."""

import importlib.util
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import tlf
from served import Client
from tlf.errors import RunError, TlfError
from tlf.events import ServerStarted
from tlf.serving import models
from tlf.serving.models import Models


def is_open(place):
    with socket.socket() as one:
        return one.connect_ex(place) == 0


def test_it_answers_until_the_generator_is_closed(served_runs):
    before = {*threading.enumerate()}
    served = tlf.serve(served_runs[:1], port=0)
    started = next(served)
    assert isinstance(started, ServerStarted)
    client = Client(started.address)
    assert client.place[0] == "127.0.0.1"
    assert client.lives()
    served.close()
    assert not is_open(client.place)
    for thread in {*threading.enumerate()} - before:
        thread.join(60)
    assert {*threading.enumerate()} <= before


def test_until_the_models_are_loaded_nobody_can_connect(served_runs, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as one:
        place = one.getsockname()
    load, seen = models.load_models, []

    def loading(*arguments):
        seen.append(is_open(place))
        return load(*arguments)

    monkeypatch.setattr(models, "load_models", loading)
    served = tlf.serve(served_runs[:1], port=place[1])
    assert Client(next(served).address).lives()
    served.close()
    assert seen == [False]


def test_a_port_that_another_program_takes_meanwhile_is_reported(served_runs, monkeypatch):
    load, others = models.load_models, []

    def loading(*arguments):
        others.append(socket.create_server(("127.0.0.1", port)))
        return load(*arguments)

    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    monkeypatch.setattr(models, "load_models", loading)
    with pytest.raises(RunError, match="Address already in use; write another one"):
        next(tlf.serve(served_runs[:1], port=port))
    others[0].close()


def test_models_classify_in_the_thread_that_has_loaded_them(served_runs, jpegs, monkeypatch):
    """OpenMP would start a team of threads for each thread that computes: see ``computing``."""
    load, classify, seen = models.load_models, Models.classify, []

    def loading(*arguments):
        seen.append(threading.current_thread())
        return load(*arguments)

    def classifying(self, images):
        seen.append(threading.current_thread())
        return classify(self, images)

    monkeypatch.setattr(models, "load_models", loading)
    monkeypatch.setattr(Models, "classify", classifying)
    served = tlf.serve(served_runs[:1], port=0)
    client = Client(next(served).address)
    assert client.predict(*jpegs[:2]).status == 200
    served.close()
    assert len({*seen}) == 1
    assert len(seen) >= 3  # one to load, one for the first image, one for a request


def test_what_was_accepted_is_answered_at_the_end(served_runs, jpegs, monkeypatch):
    go, begun = threading.Event(), threading.Event()
    classify = Models.classify

    def wait(self, images):
        begun.set()
        assert go.wait(60)
        return classify(self, images)

    served = tlf.serve(served_runs[:1], port=0)
    client = Client(next(served).address)
    monkeypatch.setattr(Models, "classify", wait)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(client.predict, jpegs[0])
        assert begun.wait(60)
        ended = pool.submit(served.close)
        while is_open(client.place):
            pass
        go.set()
        assert asked.result().status == 200
        ended.result()


def test_mistakes_are_reported(served_runs, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as one:
        used = one.getsockname()[1]
        for settings, message in (
            ({"port": used}, f"got 127.0.0.1 and {used}: Address already in use"),
            ({"host": "no such host"}, "got no such host and 8000: "),
            ({"host": "a" * 300}, "must be an address that can be used here"),
            ({"port": 70_000}, "and 70000: "),
            ({"batch": 0}, "batch must be above 0"),
            ({"window": -1}, "window from 0 to 10,000"),
            ({"port": 0, "device": "abacus"}, "device must be one of"),
        ):
            with pytest.raises(RunError, match=message):
                next(tlf.serve(served_runs[:1], **settings))
    with pytest.raises(RunError, match="runs must be one or more"):
        next(tlf.serve([]))
    with pytest.raises(TlfError, match="run"):
        next(tlf.serve([tmp_path], port=0))
    with pytest.raises(RunError, match=r"runs must be different, got .* twice"):
        next(tlf.serve([served_runs[0]] * 2, port=0))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RunError, match=r"python_multipart are not .* pip install 'tlf\[serve\]'"):
        next(tlf.serve(served_runs[:1]))
