"""Who is answered, with which headers, and what is noted of it."""

import re

import pytest


def test_every_answer_has_safe_headers(server, jpegs):
    for answer in (server.ask("GET", "/"), server.ask("GET", "/nowhere"),
                   server.predict(jpegs[0])):  # fmt: skip
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Server" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost:x"])
def test_a_website_that_renames_itself_is_refused(server, host):
    answer = server.ask("GET", "/health", Host=host)
    assert (answer.status, answer.json["error"]["code"]) == (421, "other-host")


def test_names_of_this_computer_are_answered_and_others_where_others_reach_it(
    server, serve, served_runs
):
    for host in ("127.0.0.1", "LocalHost:80", "[::1]:8000"):
        assert server.ask("GET", "/health", Host=host).status == 200
    with serve(served_runs[0], host="0.0.0.0") as client:
        client.place = ("127.0.0.1", client.place[1])
        assert client.ask("GET", "/health", Host="tlf.example").status == 200


def test_pages_of_other_websites_may_not_send_images(server, jpegs):
    data = jpegs[0].read_bytes()
    for site, status in (("cross-site", 403), ("same-origin", 200), ("none", 200)):
        answer = server.ask(
            "POST", "/predict", data, Content_Type="image/jpeg", Sec_Fetch_Site=site
        )
        assert answer.status == status
    assert server.ask("GET", "/", Sec_Fetch_Site="cross-site").status == 200  # a link


def test_ten_thousand_headers_are_refused(server):
    answer = server.ask("GET", "/health", **{f"X-{number}": "y" for number in range(10_000)})
    assert answer.status in (400, 431)
    answer = server.ask("GET", "/health", **{f"X-{number}": "y" * 100 for number in range(100)})
    assert answer.status == 200


def test_a_line_is_written_for_each_request(serve, served_runs, jpegs):
    lines = []
    with serve(served_runs[0], log=lines.append) as client:
        client.predict(jpegs[0])
        client.ask("GET", "/%1b[31m?secret=1")
    first, second = lines
    assert re.fullmatch(r"127\.0\.0\.1 POST /predict 200 \d+\.\d ms", first)
    assert re.fullmatch(r"127\.0\.0\.1 GET /\\x1b\[31m 404 \d+\.\d ms", second)
