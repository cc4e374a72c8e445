import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from tlf.errors import WeightsError
from tlf.pretrained import downloads

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]
COMMIT = "a" * 40


class Server(ThreadingHTTPServer):
    """Serves files, and records the requests."""

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = files, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.server.files.get(self.path)
        self.send_response(404 if body is None else 200)
        if body is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        else:
            self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body or b"")

    do_GET = do_HEAD = answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server({}) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def point_at(endpoint, monkeypatch):
    """What HF_ENDPOINT does in the environment of a new process."""
    from huggingface_hub import constants

    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(tmp_path, monkeypatch, server):
    from huggingface_hub import constants

    point_at(server.url, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    return tmp_path / "hf" / "models--org--net"


def test_a_file_is_announced_fetched_and_not_fetched_again(server, checkpoints, capfd):
    name = f"net-{DIGEST}.pth"
    server.files[f"/{name}"] = CONTENT
    path = downloads.fetch_url(f"{server.url}/{name}", "net V1")
    assert path == checkpoints / name
    assert path.read_bytes() == CONTENT
    assert capfd.readouterr().err.startswith(
        f"fetching net V1 (0.0 MB) from {server.url}/{name} to {path}\n"
    )
    assert server.asked == [f"HEAD /{name}", f"GET /{name}"]
    assert downloads.fetch_url(f"{server.url}/{name}", "net V1") == path
    assert len(server.asked) == 2
    assert capfd.readouterr().err == ""


def test_a_known_size_is_announced_without_a_request(server, checkpoints, capfd):
    server.files["/net.pth"] = CONTENT
    path = downloads.fetch_url(f"{server.url}/net.pth", "net", name="other.pth", megabytes=44.66)
    assert path.name == "other.pth"
    assert "(44.7 MB)" in capfd.readouterr().err
    assert server.asked == ["GET /net.pth"]


def test_a_file_with_another_hash_is_refused_and_left_nowhere(server, checkpoints):
    server.files["/net-0123abcd.pth"] = CONTENT
    with pytest.raises(WeightsError, match="invalid hash"):
        downloads.fetch_url(f"{server.url}/net-0123abcd.pth", "net")
    assert list(checkpoints.iterdir()) == []


def test_without_a_connection_the_error_names_the_place_and_the_alternatives(server, checkpoints):
    with pytest.raises(WeightsError) as caught:
        downloads.fetch_url("http://127.0.0.1:9/net-01234567.pth", "net V1", megabytes=1)
    message = str(caught.value)
    assert str(checkpoints / "net-01234567.pth") in message
    assert all(
        word in message for word in ("net V1", "127.0.0.1:9", ".safetensors", "starter", "none")
    )


def test_a_hub_file_is_announced_fetched_and_not_fetched_again(server, hub, capfd):
    server.files["/org/net/resolve/main/model.safetensors"] = CONTENT
    path = downloads.fetch_hub("org/net", ("model.safetensors",), "net tag")
    assert path == hub / "snapshots" / COMMIT / "model.safetensors"
    assert path.read_bytes() == CONTENT
    err = capfd.readouterr().err
    assert err.startswith("fetching net tag (0.0 MB) from ")
    assert str(hub / "snapshots") in err
    asked = len(server.asked)
    assert downloads.fetch_hub("org/net", ("model.safetensors",), "net tag") == path
    assert len(server.asked) == asked
    assert capfd.readouterr().err == ""


def test_the_first_hub_file_that_exists_is_taken(server, hub):
    server.files["/org/net/resolve/v2/pytorch_model.bin"] = CONTENT
    names = ("model.safetensors", "pytorch_model.bin")
    assert downloads.fetch_hub("org/net@v2", names, "net").name == "pytorch_model.bin"


def test_what_the_hub_answers_is_explained(hub, monkeypatch):
    def refuse(*_):
        error = OSError("401 Client Error")
        error.response = SimpleNamespace(status_code=401)
        raise error

    monkeypatch.setattr(downloads, "_download", refuse)
    with pytest.raises(WeightsError, match=r"hub: the hub answered 401: .* hf auth login"):
        downloads.fetch_hub("org/net", ("a",), "net")


def test_a_hub_without_any_of_the_files_is_an_error(server, hub):
    with pytest.raises(WeightsError, match=r"org/net on the hub has no file a or b"):
        downloads.fetch_hub("org/net", ("a", "b"), "net")


@pytest.mark.parametrize("offline", [True, False], ids=["HF_HUB_OFFLINE", "no-connection"])
def test_without_the_hub_a_cached_file_is_used_and_another_is_not_made_up(
    hub, monkeypatch, server, offline
):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    point_at("http://127.0.0.1:9", monkeypatch)
    (hub / "refs").mkdir(parents=True)
    (hub / "refs" / "main").write_text(COMMIT)
    (hub / "snapshots" / COMMIT).mkdir(parents=True)
    (hub / "snapshots" / COMMIT / "pytorch_model.bin").write_bytes(CONTENT)
    names = ("model.safetensors", "pytorch_model.bin")
    assert downloads.fetch_hub("org/net", names, "net").read_bytes() == CONTENT
    with pytest.raises(WeightsError) as caught:
        downloads.fetch_hub("org/other", names, "other tag")
    message = str(caught.value)
    assert message.startswith("cannot fetch other tag from org/other on the hub: ")
    assert str(hub.parent / "models--org--other" / "snapshots") in message
    assert "starter" in message
    assert server.asked == []
