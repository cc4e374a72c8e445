"""Bytes that are no request, and requests that do not end."""

import socket

import pytest

from served import rest_of
from tlf.serving import protocol

LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # without a host
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        LAST + b"X: y\r\n" * 10_000 + b"\r\n",
        LAST + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1, 2\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: \xb2\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
    ids=lambda data: repr(data[:30]),
)
def test_what_is_no_request_is_refused_in_json(server, data):
    found = server.raw(data)
    assert found.split()[1] in (b"400", b"404", b"415", b"421", b"431", b"501"), found
    assert b'{"error":' in found
    assert server.lives()


def test_garbage_behind_a_request_is_refused_after_its_answer(server):
    asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    found = server.raw(asked * 3 + b"garbage\r\n\r\n")
    assert found.count(b"HTTP/1.1 200 ") == 3
    assert found.count(b"HTTP/1.1 400 ") == 1
    assert server.lives()


def test_a_body_that_is_longer_or_shorter_than_its_length_harms_nobody(server):
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        b"Content-Length: 10\r\n\r\n"
    )
    found = server.raw(head + b"x" * 500 + b"\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 422 ")
    assert b"HTTP/1.1 400 " in found
    with socket.create_connection(server.place) as one:
        one.sendall(head + b"x")
    assert server.lives()


def test_a_head_that_never_ends_is_refused(serve, served_runs, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with serve(served_runs[0]) as client:
        for begin in (b"", b"GET / HTTP/1.1\r\nHost: loc"):
            with socket.create_connection(client.place, timeout=60) as one:
                one.sendall(begin)
                found = rest_of(one)
                assert found.startswith(b"HTTP/1.1 408 Request Timeout"), begin
                assert b'"code": "too-slow"' in found
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 60)
        asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with socket.create_connection(client.place, timeout=60) as one:
            one.sendall(asked)  # a whole request is not late, and then its next one is
            while not one.recv(4096).endswith(b"}"):
                pass
            monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
            one.sendall(b"GET / HT")
            assert rest_of(one).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_takes_no_answer_is_cut_off(serve, served_runs, monkeypatch):
    monkeypatch.setattr(protocol, "TAKEN_SECONDS", 0.3)
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
    with serve(served_runs[0]) as client, socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(60)
        one.connect(client.place)
        with pytest.raises(ConnectionError):  # it takes no more requests, and then ends
            one.sendall(asked * 1000)


def test_very_many_idle_connections_stand_in_nobodys_way(server):
    idle = [socket.create_connection(server.place) for _ in range(200)]
    assert server.lives()
    for one in idle:
        one.close()


def test_more_connections_than_files_are_refused_and_then_answered_again(server, monkeypatch):
    monkeypatch.setattr(protocol, "most_connections", lambda: 3)
    idle = [socket.create_connection(server.place, timeout=60) for _ in range(3)]
    asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for one in idle:  # they are taken in their order
        one.sendall(asked[:-2])
    with socket.create_connection(server.place, timeout=60) as other:
        assert other.recv(4096).startswith(b"HTTP/1.1 503 ")
    for one in idle:
        one.sendall(b"\r\n")
        assert rest_of(one).startswith(b"HTTP/1.1 200 ")
        one.close()
    assert server.lives()
