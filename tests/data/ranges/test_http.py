import pickle
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest

from tlf.data.ranges import open_object, retries
from tlf.errors import DataError

BYTES = bytes(range(100))


def test_ranges_are_read_over_a_connection_that_is_kept(server, found):
    found = pickle.loads(pickle.dumps(found))
    assert (found.size, found.read(3, 4), found.read(0, 100)) == (100, BYTES[3:7], BYTES)
    assert found.read(5, 0) == b""
    assert server.accepted == 1


def test_threads_read_at_once(server, found):
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(lambda start: found.read(start, 10), [*range(90)] * 3))
    assert read == [BYTES[start : start + 10] for start in range(90)] * 3
    assert server.accepted <= 8


def test_a_forked_process_has_connections_of_its_own(server, found, forked):
    read = []
    assert forked(
        lambda: found.read(3, 4) == BYTES[3:7],
        lambda: read.extend(found.read(start, 4) for start in range(50)),
    )
    assert read == [BYTES[start : start + 4] for start in range(50)]
    assert server.accepted == 2


@pytest.mark.parametrize("fault", [408, 429, 500, 502, 503, 504, "cut", "hang_up", "no_http"])
def test_what_passes_is_tried_again(server, found, fault):
    server.faults.extend([fault, fault])
    assert found.read(10, 20) == BYTES[10:30]
    server.faults.append(fault)
    assert open_object(f"{server.url}/a.tar") == found


def test_a_cut_range_is_read_on_from_where_it_was_cut(server, found):
    server.faults.extend(["cut", "cut"])
    assert found.read(10, 20) == BYTES[10:30]
    asked = [headers["Range"] for _, headers in server.requests[-3:]]
    assert asked == ["bytes=10-29", "bytes=12-29", "bytes=14-29"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (500, "the server answered 500 Internal Server Error; tried .* times in"),
        (429, "the server answered 429 Too Many Requests; tried .* times in"),
        ("hang_up", "the connection was cut"),
        ("no_http", "the connection was cut, or its answer is not HTTP"),
    ],
)
def test_what_does_not_pass_is_given_up(server, found, fault, message):
    server.always = fault
    with pytest.raises(DataError, match=rf"cannot read {found.address}: {message}"):
        found.read(10, 20)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (401, r"asks for a password \(401 Unauthorized\); write its name and password into ~/.n"),
        (403, r"the server does not allow it \(403 Forbidden\)"),
        (404, r"there is no such file \(404 Not Found\); correct the address"),
        (410, r"there is no such file \(410 Gone\)"),
        (418, "the server answered 418"),
        ("compressed", "the server compresses it on its way; download the file"),
    ],
)
def test_what_cannot_pass_is_refused_at_once(server, found, fault, message):
    server.always, before = fault, len(server.requests)
    for read in (lambda: found.read(10, 20), lambda: open_object(found.address)):
        with pytest.raises(DataError, match=rf"cannot read {found.address}: .*{message}"):
            read()
    assert len(server.requests) == before + 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("whole", "sends whole files only, no byte ranges; download the file, and write its path"),
        ("stream", "is a stream: its server does not say how long it is"),
        ("endless_stream", "must say how long the file is, and does not"),
    ],
)
def test_a_server_without_ranges_is_refused(server, found, fault, message):
    server.always = fault
    for read in (lambda: found.read(10, 20), lambda: open_object(found.address)):
        with pytest.raises(DataError, match=message):
            read()


def test_other_bytes_than_those_asked_for_are_refused(server, found):
    server.always = "other_range"
    with pytest.raises(DataError, match="must send the bytes that it is asked for, got others"):
        found.read(10, 2)


@pytest.mark.parametrize("change", ["etag", "size", "gone"])
def test_a_changed_file_is_refused(server, found, change):
    if change == "etag":
        server.headers = {"ETag": '"2"'}
    else:
        server.files["/a.tar"] = BYTES + b"x" if change == "size" else BYTES[:5]
    with pytest.raises(DataError, match=rf"{found.address} has changed since it was first read"):
        found.read(10, 20)


def test_the_time_of_writing_tells_versions_where_there_is_no_tag(server):
    server.headers = {"Last-Modified": "Fri, 27 Nov 2026 10:00:00 GMT"}
    found = open_object(f"{server.url}/a.tar")
    server.headers = {"Last-Modified": "Fri, 27 Nov 2026 10:00:01 GMT"}
    with pytest.raises(DataError, match="has changed"):
        found.read(0, 1)


def test_other_bytes_under_the_same_version_are_noticed_by_their_hash(server, found):
    digest = sha256(BYTES[10:30]).hexdigest()
    assert found.read(10, 20, digest) == BYTES[10:30]
    server.files["/a.tar"] = bytes(100)
    with pytest.raises(DataError, match=r"bytes 10 to 30 of .*a\.tar are not those"):
        found.read(10, 20, digest)


def test_a_slow_server_is_given_up(server, found, monkeypatch):
    monkeypatch.setattr(retries, "SILENCE", 0.03)
    monkeypatch.setattr(retries, "SLOWEST", 10_000)
    server.always = "slow"
    with pytest.raises(DataError, match="it sends fewer than 10,000 bytes a second"):
        found.read(0, 100)


def test_a_server_that_says_nothing_is_given_up(server, monkeypatch):
    monkeypatch.setattr(retries, "SILENCE", 0.05)
    server.always = "silent"
    with pytest.raises(DataError, match="nothing came for 0 seconds; tried once"):
        open_object(f"{server.url}/a.tar")


def test_redirects_are_followed(server, found):
    server.location = "/a.tar"
    server.faults.append("redirect")
    assert found.read(10, 20) == BYTES[10:30]
    assert server.accepted == 1
    server.always = "redirect"
    with pytest.raises(DataError, match="is redirected without end"):
        found.read(10, 20)
    server.location = "file:///etc/passwd"
    with pytest.raises(DataError, match="is redirected to file:///etc/passwd, which is not safe"):
        found.read(10, 20)


def test_an_empty_file_has_no_bytes(server):
    assert open_object(f"{server.url}/empty.tar").size == 0


def test_a_connection_that_the_server_closes_is_opened_anew(server, found):
    server.faults.append("closes")
    assert found.read(0, 2) + found.read(2, 2) == BYTES[:4]
    assert server.accepted == 2


@pytest.mark.parametrize("address", ["http:///a.tar", "http://host:port/a.tar", "http://[/a.tar"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(DataError, match="it is no address; write https://server/path"):
        open_object(address)


def test_no_message_holds_a_password_or_a_signature(server):
    address = f"{server.url}/a.tar?Signature=abc".replace("://", "://me:secret@")
    found = open_object(address)
    authorization = {headers.get("Authorization") for _, headers in server.requests}
    assert authorization == {"Basic bWU6c2VjcmV0"}
    assert server.requests[0][0] == "/a.tar?Signature=abc"
    for fault in (403, 404, 500, "whole", "stream", "other_range", "hang_up"):
        server.always = fault
        with pytest.raises(DataError, match=r"127\.0\.0\.1:\d+/a\.tar\?…") as error:
            found.read(0, 10)
        assert "secret" not in str(error.value)
        assert "abc" not in str(error.value) + repr(found)
