"""A server in a process of its own, over thousands of requests, good and bad ones."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from places import ROOT, TESTS
from served import FORM, Client, form

sys.path[:0] = [str(TESTS / "benchmarks")]

from load_generator import load, request, resident  # noqa: E402

pytestmark = pytest.mark.slow

SECONDS = 120


@pytest.fixture
def jpegs(images):
    return sorted((images / "val").rglob("*.jpg"))


@contextmanager
def serving(*words):
    """A server of its own, and a client. Its address space is bounded."""
    command = [sys.executable, "-m", "tlf", "serve", *map(str, words), "--port", "0"]
    limited = ["sh", "-c", 'ulimit -v 8000000; exec "$@"', "sh", *command]
    with subprocess.Popen(
        limited, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            address = process.stdout.readline().strip()
            assert address, process.stderr.read()
            yield process, Client(address)
        finally:
            process.kill()


def ended(process, number=signal.SIGTERM):
    """What it prints to stderr after a signal."""
    process.send_signal(number)
    _, error = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, error
    return error


def test_memory_is_flat_over_thousands_of_requests(finished_head, jpegs):
    images = [path.read_bytes() for path in jpegs]
    held = {}
    with serving(finished_head) as (process, client):
        load(*client.place, images, 8, 1000)
        for count in (1, 2, 3):
            load(*client.place, images, 8, 1000)
            held[count] = resident(process.pid)
        ended(process)
    assert held[3] - held[1] < 8 * 2**20, held


def test_memory_is_flat_over_thousands_of_bad_requests(finished_head, jpegs):
    good = jpegs[0].read_bytes()
    rng = random.Random(0)

    def spoilt():
        data = bytearray(good)
        for _ in range(rng.randrange(1, 30)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data[: rng.randrange(1, len(data))])

    def attack(client, number):
        texts = (
            request(spoilt()),
            request(good)[: rng.randrange(1, 300)],
            rng.randbytes(rng.randrange(1, 2000)),
            b"GET /" + rng.randbytes(20).hex().encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: " + FORM.encode() + b"\r\n\r\n" + rng.randbytes(50),
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + FORM.encode()
            + b"\r\nContent-Length: 400\r\n\r\n" + form({"a": spoilt()})[:400],
        )  # fmt: skip
        with socket.create_connection(client.place, timeout=60) as one, suppress(OSError):
            one.sendall(texts[number % len(texts)])
            if rng.random() < 0.5:
                one.settimeout(0.05)
                one.recv(4096)

    with serving(finished_head, "--timeout", "1") as (process, client):
        held = []
        for _ in range(3):
            with ThreadPoolExecutor(16) as pool:
                for done in [pool.submit(attack, client, number) for number in range(900)]:
                    done.result()
            time.sleep(1.5)  # the slow ones are refused
            assert client.predict(good).status == 200
            held.append(resident(process.pid))
        metrics = client.ask("GET", "/metrics").data.decode()
        error = ended(process)
    assert held[2] - held[0] < 16 * 2**20, held
    assert "tlf_serve_queued_requests 0\n" in metrics
    assert 'status="500"' not in metrics
    assert error == "Ctrl-C ends it\nended\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_stopped_answers_every_request_that_it_has(finished, jpegs, number):
    """Whole requests were sent before the signal: all of them are answered."""
    text = request(jpegs[0].read_bytes())
    with serving(finished, "--queue", 100, "--batch", 2) as (process, client):
        connections = [socket.create_connection(client.place, timeout=60) for _ in range(60)]
        for one in connections:
            one.sendall(text)
        while taken(client) < len(connections):
            time.sleep(0.01)
        begin = time.monotonic()
        ended(process, number)
        assert time.monotonic() - begin < 15
        for one in connections:
            answer = one.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            one.close()


def taken(client):
    """How many requests were taken: they wait, or they are answered."""
    lines = dict(
        line.rsplit(" ", 1)
        for line in client.ask("GET", "/metrics").data.decode().splitlines()
        if line.startswith(("tlf_serve_queued_requests ", "tlf_serve_request_seconds_count "))
    )
    return sum(map(int, lines.values()))


def test_a_slow_request_ends_the_server_no_later_than_it_says(finished_head):
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    with serving(finished_head, "--timeout", "60") as (process, client):
        with socket.create_connection(client.place, timeout=60) as one:
            one.sendall(head + b"Content-Length: 1000\r\n\r\nx")
            time.sleep(0.5)
            begin = time.monotonic()
            ended(process)
            assert time.monotonic() - begin < 12
            answer = one.recv(4096)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "stopping"


def test_a_model_of_images_with_several_labels_is_served(tlf, tmp_path, images):
    rows = [
        f"{path},{label}"
        for split in ("train", "val")
        for path in sorted((images / split).rglob("*.jpg"))
        for label in [f"{path.parent.name};{'wide' if int(path.stat().st_size) % 2 else 'odd'}"]
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"""
task = "multi-label"
batch_size = 8
report = false
output = "{tmp_path / "run"}"
transforms = {{ size = 32, resize = 36 }}
backbone = {{ kind = "timm", model = "test_resnet.r160_in1k", weights = "none" }}
[data]
kind = "csv"
file = "{tmp_path / "labels.csv"}"
label_separator = ";"
split = ""
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.1
""")
    done = tlf("run", recipe)
    assert done.returncode == 0, done.stderr
    path = next(images.rglob("*.jpg"))
    line = tlf("predict", tmp_path / "run", path, "--format", "jsonl").stdout
    with serving(tmp_path / "run") as (process, client):
        answer = client.ask("POST", "/predict", path.read_bytes(), Content_Type="image/jpeg")
        ended(process)
    expected = json.loads(line)
    (found,) = answer.json["models"][0]["predictions"]
    assert found["predicted_labels"] == expected["predicted_labels"]
    assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
    assert os.path.exists(expected["path"])
