import os
import warnings

import pytest

from tlf.data.ranges import connections, retries
from web_server import serving

BYTES = bytes(range(100))


@pytest.fixture
def server(monkeypatch):
    """A server with one file, whose client waits for nothing longer than a moment."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(retries, "_FIRST_WAIT", 0.001)
    monkeypatch.setattr(retries, "LIMIT", 0.05)
    monkeypatch.setattr(retries, "FIRST_LIMIT", 0.05)
    with serving({"/a.tar": BYTES, "/empty.tar": b""}) as server:
        yield server
        connections.close_idle()


@pytest.fixture
def found(server):
    """The file of the server."""
    from tlf.data.ranges import open_object

    return open_object(f"{server.url}/a.tar")


@pytest.fixture
def forked():
    """Whether a function holds in a forked process, which ends without the rest of the tests."""

    def forked(function, beside=lambda: None):
        with warnings.catch_warnings():  # the server is a thread, which the child does not need
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            held = False
            try:
                held = function()
            finally:
                os._exit(0 if held else 1)
        beside()
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    return forked
