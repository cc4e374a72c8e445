"""A web server on this machine that answers byte ranges, and fails as it is told."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebServer(ThreadingHTTPServer):
    """``files``: path → bytes. ``faults``: what becomes of the next requests, one for each: a
    status, or the name of a method of the handler; ``always``: what becomes of all others;
    ``latency``: seconds before each answer.
    """

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.faults, self.always = files, deque(), None
        self.headers, self.requests, self.accepted = {"ETag": '"1"'}, [], 0
        self.latency = 0.0
        self.url = f"http://127.0.0.1:{self.server_port}"

    def get_request(self):
        self.accepted += 1
        return super().get_request()

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the tests."""


@contextmanager
def serving(files) -> Iterator[WebServer]:
    server = WebServer(files)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args): ...

    def do_GET(self):
        time.sleep(self.server.latency)
        self.server.requests.append((self.path, dict(self.headers)))
        fault = self.server.faults.popleft() if self.server.faults else self.server.always
        if isinstance(fault, int):
            self.answer(fault, b"no", {"Retry-After": "0"})
        elif fault:
            getattr(self, fault)()
        elif self.path.partition("?")[0] not in self.server.files:
            self.answer(404)
        else:
            self.range()

    def do_HEAD(self):
        """What S3 is asked for the size of a file."""
        self.server.requests.append((self.path, dict(self.headers)))
        body = self.server.files.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.finish_headers({"Last-Modified": "Fri, 27 Nov 2026 10:00:00 GMT"})

    def range(self, cut=None, pause=0.0, **headers):
        """The range that is asked for; ``cut``: its first bytes, then nothing."""
        body, first, behind = self.body()
        if first >= len(body):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            return
        sent = body[first:behind]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(sent) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(sent)))
        self.finish_headers(headers)
        for number in range(0, len(sent[:cut]), 1 if pause else len(sent)):
            self.wfile.write(sent[:cut][number : number + (1 if pause else len(sent))])
            time.sleep(pause)
        if cut is not None:
            self.close_connection = True

    def body(self):
        body = self.altered(self.server.files[self.path.partition("?")[0]])
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        return body, int(first), int(last) + 1

    altered = staticmethod(lambda body: body)

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.finish_headers(dict(headers))
        self.wfile.write(body)

    def finish_headers(self, headers):
        for name, value in {**self.server.headers, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def cut(self):
        self.range(cut=2)

    def hang_up(self):
        self.close_connection = True

    def slow(self):
        self.range(pause=0.02)

    def silent(self):
        time.sleep(0.3)
        self.close_connection = True

    def whole(self):
        self.answer(200, self.body()[0])

    def stream(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"1\r\na\r\n0\r\n\r\n")

    def endless_stream(self):
        self.send_response(206)
        self.send_header("Content-Range", "bytes 0-0/*")
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"a")

    def other_range(self):
        self.answer(206, b"ab", {"Content-Range": f"bytes 1-2/{len(self.body()[0])}"})

    def other_version(self):
        self.range(ETag='"2"')

    def other_bytes(self):
        self.altered = lambda body: body[::-1]
        self.range()

    def compressed(self):
        self.range(**{"Content-Encoding": "gzip"})

    def closes(self):
        self.range(Connection="close")
        self.close_connection = True

    def no_http(self):
        self.wfile.write(b"hello\r\n\r\n")
        self.close_connection = True

    def redirect(self):
        self.answer(302, b"over there", {"Location": self.server.location})
