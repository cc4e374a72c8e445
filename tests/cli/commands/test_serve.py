"""``tlf serve`` as a person uses it."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import tlf
from forks import Fork
from served import Client
from tlf.events import ServerStarted

SECONDS = 60


@pytest.fixture(autouse=True)
def wait_policy(monkeypatch):
    """Commands leave the environment of this process as it is."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")


@pytest.fixture
def started(finished, tmp_path):
    """A server in a process of its own, and a client that has its address."""
    words = ["tlf", "serve", finished, "--port", 0, "--log"]
    process = Fork(words, tmp_path, {}, tmp_path / "printed")
    deadline = time.monotonic() + SECONDS
    while not process.printed_so_far.endswith("/\n"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield process, Client(process.printed_so_far.strip())
    process.kill()


def test_it_answers_and_sigterm_ends_it_when_what_it_accepted_is_answered(started, images):
    process, client = started
    path = next((images / "val").rglob("*.jpg"))
    assert client.lives()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.predict, path) for _ in range(4)]
        assert asked[0].result().status == 200
        process.stop()
        answers = [one.result() if one.exception() is None else None for one in asked]
    assert {one.status for one in answers if one is not None} == {200}
    _, error = process.communicate(SECONDS)
    assert process.returncode == 0, error
    first, *lines, last = error.splitlines()
    assert (first, last) == ("Ctrl-C ends it", "ended")
    assert sum("POST /predict 200" in line for line in lines) == len([*filter(None, answers)])


def test_options_are_those_of_the_function(main, monkeypatch):
    given = []

    def serve(runs, **settings):
        given.append((runs, settings))
        yield ServerStarted("http://127.0.0.1:1/")
        raise KeyboardInterrupt

    monkeypatch.setattr(tlf, "serve", serve, raising=False)
    code, out, error = main(
        "serve", "a", "b", "--host", "0.0.0.0", "--port", 80, "--why", "--batch", 8, "--window", 0,
        "--max-body", 2, "--max-pixels", 3, "--max-images", 4, "--queue", 5, "--timeout", 6.5,
        "--device", "cuda", "--precision", "bf16",
    )  # fmt: skip
    assert (code, out, error) == (0, "http://127.0.0.1:1/\n", "Ctrl-C ends it\nended\n")
    ((runs, settings),) = given
    assert [str(run) for run in runs] == ["a", "b"]
    assert settings == {
        "host": "0.0.0.0", "port": 80, "precision": "bf16", "device": "cuda", "nearest": 3,
        "batch": 8, "window": 0.0, "log": None,
        "limits": tlf.ServingLimits(2_000_000, 3_000_000, 4, 5, 6.5),
    }  # fmt: skip


def test_mistakes_are_reported(main, tmp_path):
    for arguments, message in {
        (): "tlf serve needs the folder of a run, such as runs/mine; write: tlf serve RUN...",
        (tmp_path, "--port", 70000): "70000 is not in the range",
        (tmp_path, "--timeout", "nan"): "seconds must be above 0, got nan",
        (tmp_path, "--port", 0): "model.safetensors",
    }.items():
        code, out, error = main("serve", *arguments)
        assert (code, out) == (2, ""), error
        assert message in error
        assert "Traceback" not in error
