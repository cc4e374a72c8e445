import shutil
import ssl
import subprocess

import pytest

from tlf.data.ranges import connections, open_object
from tlf.errors import DataError
from web_server import serving


@pytest.fixture(autouse=True)
def fresh():
    """Nothing that was found out about the environment stays."""
    asked = (connections._proxy, connections._netrc, connections._certificates)
    for each in asked:
        each.cache_clear()
    yield
    for each in asked:
        each.cache_clear()


def test_a_password_is_read_from_netrc_and_goes_to_its_server_only(server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.location = f"http://localhost:{server.server_port}/a.tar"
    server.faults.append("redirect")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    open_object(f"{server.url}/a.tar")
    sent = [headers.get("Authorization") for _, headers in server.requests]
    assert sent == ["Basic bWU6c2VjcmV0", None]


def test_a_wrong_netrc_is_named_without_what_is_in_it(server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1\nsecret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(DataError, match=r"line \d of .*netrc is wrong") as error:
        open_object(f"{server.url}/a.tar")
    assert "secret" not in str(error.value)


def test_a_password_is_kept_by_a_redirect_to_the_same_server(server):
    server.location = f"{server.url}/a.tar"
    server.faults.append("redirect")
    open_object(f"{server.url}/a.tar".replace("://", "://me:secret@"))
    assert [headers.get("Authorization") for _, headers in server.requests] == [
        "Basic bWU6c2VjcmV0"
    ] * 2


def test_the_proxy_of_the_environment_is_asked(server, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", server.url.replace("://", "://me:secret@"))
    server.files["http://far.invalid/a.tar"] = b"abc"
    assert open_object("http://far.invalid/a.tar").read(1, 2) == b"bc"
    path, headers = server.requests[-1]
    assert (path, headers["Host"]) == ("http://far.invalid/a.tar", "far.invalid")
    assert headers["Proxy-Authorization"] == "Basic bWU6c2VjcmV0"


def test_a_proxy_that_refuses_is_named(server, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("https_proxy", server.url)
    with pytest.raises(DataError, match=r"Tunnel connection failed: 501 .*; tried"):
        open_object("https://far.invalid/a.tar")


def test_few_connections_wait(server, found, monkeypatch):
    monkeypatch.setattr(connections, "MOST_IDLE", 0)
    found.read(0, 1)
    found.read(0, 1)
    assert server.accepted == 2


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_certificates_are_checked_and_no_redirect_leaves_https(tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    name = "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", key, "-out", certificate]
    subprocess.run([*make.split(), *name.split(), *files], check=True, capture_output=True)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving({"/a.tar": b"abc"}) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        address = server.url.replace("http", "https") + "/a.tar"
        with pytest.raises(DataError, match=r"its certificate is not trusted .*; set SSL_CERT_"):
            open_object(address)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        connections._certificates.cache_clear()
        found = open_object(address)
        assert found.read(1, 2) == b"bc"
        server.location, server.always = f"http://127.0.0.1:{server.server_port}/a.tar", "redirect"
        with pytest.raises(DataError, match=r"is redirected to http://.*, which is not safe"):
            found.read(0, 1)
        connections.close_idle()
