"""From the body of a request to its images: forms, types, and what is refused."""

import io
import select
import socket
import struct
import zlib

import pytest
from PIL import Image

import tlf
from served import FORM, form


def png(width, height):
    """A PNG that says it has so many pixels, and has none."""

    def chunk(kind, data):
        sum_ = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + sum_

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def strict(serve, served_runs):
    """A server with low limits."""
    limits = tlf.ServingLimits(body=20_000, pixels=10_000, images=3, seconds=60)
    with serve(served_runs[0], limits=limits) as client:
        yield client


def refused(answer):
    return answer.status, answer.json["error"]["code"]


def test_files_of_a_form_are_images_and_other_fields_are_not(server, jpegs):
    field = b'--cut\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    empty = b'--cut\r\nContent-Disposition: form-data; name="x"; filename=""\r\n\r\n\r\n'
    body = field + empty + form({"../../ant.jpg": jpegs[0].read_bytes()})
    answer = server.ask("POST", "/predict", body, Content_Type=FORM)
    (found,) = answer.json["models"][0]["predictions"]
    assert found["path"] == "../../ant.jpg"


def test_what_is_no_image_is_named(server, jpegs):
    good = jpegs[0].read_bytes()
    for files, message in {
        ("note.txt", b"hello"): "note.txt: not an image in a known format",
        ("cut.jpg", good[: len(good) // 2]): "cut.jpg: ",
        ("page.svg", b"<svg></svg>"): "page.svg: it holds a web page, SVG or XML",
        ("a\x1b[31m.jpg", b"hello"): "a\\x1b[31m.jpg: ",
        ("empty.jpg", b""): "empty.jpg: the file is empty",
    }.items():
        answer = server.ask(
            "POST", "/predict", form({"fine.jpg": good, files[0]: files[1]}), Content_Type=FORM
        )
        assert refused(answer) == (422, "unreadable-image")
        assert answer.json["error"]["message"].startswith(message)


def test_requests_without_images_and_of_other_types_are_refused(server, jpegs):
    image = jpegs[0].read_bytes()
    for body, kind, expected in (
        (b"", "image/jpeg", (400, "no-image")),
        (form({}), FORM, (400, "no-image")),
        (image, "application/x-www-form-urlencoded", (415, "no-image-type")),
        (image, "text/html\x85", (415, "no-image-type")),
        (b"{}", "application/json", (415, "no-image-type")),
        (form({"a.jpg": image}), "multipart/form-data", (400, "bad-form")),
        (form({"a.jpg": image}), "multipart/form-data; boundary=", (400, "bad-form")),
        (form({"a.jpg": image}), "multipart/form-data; boundary=" + "x" * 300, (400, "bad-form")),
        (form({"a.jpg": image}), "multipart/form-data; boundary=other", (400, "bad-form")),
        (b"--cut\r\n\r\nhello\r\n--cut--\r\n", FORM, (400, "bad-form")),
        (b"garbage", FORM, (400, "bad-form")),
    ):
        answer = server.ask("POST", "/predict", body, Content_Type=kind)
        assert refused(answer) == expected, (kind, answer.json)
    assert refused(server.ask("POST", "/predict", image)) == (415, "no-image-type")


def test_a_form_that_ends_early_is_refused(server, jpegs):
    body = form({"a.jpg": jpegs[0].read_bytes()})
    for end in (10, 60, 200, -4):
        answer = server.ask("POST", "/predict", body[:end], Content_Type=FORM)
        assert refused(answer) == (400, "bad-form")
        assert "it ends early" in answer.json["error"]["message"]


def test_bombs_are_refused_by_what_they_say(server, strict):
    for size in ((100_000, 100_000), (30_000, 30_000), (2**20 + 1, 1), (2**31 - 1, 2**31 - 1)):
        answer = server.predict(png(*size))
        assert answer.status == 422, size
    assert refused(server.predict(png(100_000, 100_000))) == (422, "too-many-pixels")
    assert refused(strict.predict(png(101, 100))) == (422, "too-many-pixels")
    assert strict.predict(png(101, 100)).json["error"]["message"] == (
        "0.jpg must have at most 10,000 pixels, got 101 × 100; send it smaller"
    )
    # What is compressed a thousandfold is refused by its header, too.
    Image.new("1", (2000, 2000)).save(bomb := io.BytesIO(), "PNG")
    assert refused(strict.predict(bomb.getvalue())) == (422, "too-many-pixels")
    assert strict.lives()


def test_too_many_images_and_parts_are_refused(strict, server):
    image = png(8, 8)
    assert refused(strict.predict(*[image] * 4)) == (400, "too-many-images")
    many = form({f"{number}": b"" for number in range(5000)})
    answer = server.ask("POST", "/predict", many, Content_Type=FORM)
    assert refused(answer) == (400, "too-many-images")
    field = b'--cut\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
    assert refused(
        server.ask("POST", "/predict", field * 5000 + b"--cut--\r\n", Content_Type=FORM)
    ) == (400, "too-many-images")


def test_a_body_that_is_too_large_is_refused_with_or_without_a_length(strict):
    large = b"x" * 20_001
    answer = strict.ask("POST", "/predict", large, Content_Type="image/jpeg")
    assert refused(answer) == (413, "too-large")
    parts = iter([b"x" * 10_000] * 3)  # sent in chunks
    assert refused(strict.ask("POST", "/predict", parts, Content_Type="image/jpeg")) == (
        413, "too-large"
    )  # fmt: skip
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    # Who asks first whether it may send so much is told, and sends nothing.
    asks = b"Content-Length: 99999999999\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    assert strict.raw(head + asks).startswith(b"HTTP/1.1 413 ")
    assert strict.lives()


def begun(client, count, size, data):
    """Connections on which a body of ``size`` bytes begins with some data, and does not end."""
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        b"Content-Length: %d\r\n\r\n" % size
    )
    slow = [socket.create_connection(client.place, timeout=60) for _ in range(count)]
    for one in slow:
        one.sendall(head + data)
    return slow


def test_a_slow_body_is_refused(serve, served_runs):
    with serve(served_runs[0], limits=tlf.ServingLimits(seconds=0.3)) as client:
        for one in begun(client, 50, 1000, b"\x89PNG"):
            assert one.recv(4096).startswith(b"HTTP/1.1 408 ")
            one.close()
        assert client.lives()


def test_others_are_answered_while_bodies_arrive_slowly(strict):
    slow = begun(strict, 50, 1000, b"\x89PNG")
    assert strict.predict(png(8, 8)).status in (200, 422)
    for one in slow:
        one.close()
    assert strict.lives()


def test_all_requests_together_hold_a_bounded_number_of_bytes(strict):
    slow = begun(strict, 9, 20_000, b"x" * 19_000)
    (refused,), *_ = select.select(slow, [], [], 60)  # eight of them fit
    assert refused.recv(4096).startswith(b"HTTP/1.1 503 ")
    for one in slow:
        one.close()
    assert strict.lives()
