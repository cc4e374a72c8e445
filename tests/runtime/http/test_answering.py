"""An application answers while the context lasts, and logs are as before at its end."""

import asyncio
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.responses import PlainTextResponse

from served import Client
from tlf.runtime.http.answering import answering

LOG = logging.getLogger("uvicorn.error")


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


def client_of(listener):
    return Client("http://{}:{}/".format(*listener.getsockname()))


def test_it_answers_inside_and_has_ended_behind(listener):
    LOG.setLevel(logging.INFO)
    with answering(PlainTextResponse("yes"), listener, "answers", seconds=1, waiting=8) as ended:
        assert client_of(listener).ask("GET", "/").data == b"yes"
        assert LOG.level == logging.CRITICAL
        thread = next(one for one in threading.enumerate() if one.name == "answers")
        assert not ended.is_set()
    assert ended.is_set()
    assert LOG.level == logging.INFO
    LOG.setLevel(logging.NOTSET)
    thread.join(60)


def test_an_application_may_be_told_of_the_start_and_the_end(listener):
    told = []

    async def app(scope, receive, send):
        assert scope["type"] == "lifespan"
        for name in ("startup", "shutdown"):
            told.append((await receive())["type"])
            await send({"type": f"lifespan.{name}.complete"})

    with answering(app, listener, "answers", seconds=1, waiting=8, lifespan=True):
        assert told == ["lifespan.startup"]
    assert told == ["lifespan.startup", "lifespan.shutdown"]


def test_what_is_slow_is_cut_off_at_once_where_somebody_waits_no_more(listener, monkeypatch):
    begun = threading.Event()

    async def app(scope, receive, send):
        begun.set()
        await asyncio.Event().wait()

    wait = threading.Event.wait
    with ThreadPoolExecutor(1) as pool:
        with answering(app, listener, "answers", seconds=600, waiting=8) as ended:
            asked = pool.submit(client_of(listener).ask, "GET", "/")
            assert begun.wait(60)
            interrupts = [KeyboardInterrupt]

            def interrupted(self, timeout=None):
                if self is ended and interrupts:
                    raise interrupts.pop()
                return wait(self, timeout)

            monkeypatch.setattr(threading.Event, "wait", interrupted)
        assert interrupts == []
        assert asked.result(50).status == 500
