"""Hosts are joined over a network that joins them, and a dead host is noticed."""

import os
import socket
from types import SimpleNamespace

import psutil
import pytest

from tlf.errors import RunError
from tlf.runtime.connections import SILENCE, own_address, probed, unreached

INTERFACE = "GLOO_SOCKET_IFNAME"


@pytest.fixture
def interfaces(monkeypatch):
    """Give this host two networks, of which gloo knows nothing yet."""
    monkeypatch.setenv(INTERFACE, "")
    addresses = {"lo": ["127.0.0.1", "::1"], "eth0": ["10.0.0.1"], "ib0": ["10.1.0.1", "fe80::1"]}
    found = {
        name: [
            SimpleNamespace(address=one, family=socket.AF_INET6 if ":" in one else socket.AF_INET)
            for one in ours
        ]
        for name, ours in addresses.items()
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)


@pytest.mark.parametrize(
    ("near", "seen", "expected", "interface"),
    [
        ("10.1.0.1", ["10.1.0.9"] * 2, "10.1.0.1", "ib0"),
        # The host of the main process, whose own name stands for 127.0.1.1, as on Debian.
        ("127.0.0.1", ["127.0.1.1", "10.0.0.1"], "10.0.0.1", "eth0"),
        ("127.0.0.1", ["127.0.0.1"] * 2, "127.0.0.1", "lo"),
        # The others reach it in different networks: they are joined in that of the first of them.
        ("127.0.0.1", ["127.0.0.1", "10.1.0.1", "10.0.0.1"], "10.1.0.1", "ib0"),
        (
            "127.0.0.1",
            ["127.0.0.1", "10.9.9.9"],
            "127.0.0.1",
            "lo",
        ),  # of a router, not of this host
        ("10.7.7.7", ["10.8.8.8"] * 2, "10.7.7.7", ""),  # gloo chooses
    ],
)
def test_gloo_uses_the_network_that_joins_the_hosts(interfaces, near, seen, expected, interface):
    assert own_address(near, seen) == expected
    assert os.environ[INTERFACE] == interface


def test_a_network_that_a_person_chose_is_kept(interfaces, monkeypatch):
    monkeypatch.setenv(INTERFACE, "eth0,ib0")
    assert own_address("10.1.0.1", ["10.1.0.9"]) == "10.0.0.1"
    assert os.environ[INTERFACE] == "eth0,ib0"
    assert own_address("127.0.0.1", ["127.0.0.1", "10.1.0.1"]) == "10.0.0.1"
    assert os.environ[INTERFACE] == "eth0,ib0"
    monkeypatch.setenv(INTERFACE, "lo")  # the one that joins no hosts, too: the check names it
    assert own_address("10.1.0.1", ["10.1.0.9"]) == "127.0.0.1"
    assert os.environ[INTERFACE] == "lo"
    monkeypatch.setenv(INTERFACE, "eth7")
    expected = f"{INTERFACE} must be a network interface of this host, .*, got 'eth7'; write one of"
    with pytest.raises(RunError, match=f"{expected}: lo, eth0, ib0"):
        own_address("10.1.0.1", ["10.1.0.9"])


def test_a_port_that_is_not_reached_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert unreached("127.0.0.1", [("anna", "127.0.0.1", port)]) == ""
    assert unreached("10.0.0.1", [("anna", "127.0.0.1", port)]) == (
        f"hosts must reach each other on all TCP ports, got no connection from "
        f"{socket.gethostname()} (10.0.0.1) to anna (127.0.0.1): Connection refused; open the "
        f"firewall between them, or set {INTERFACE} to the network interface that joins them"
    )


def connect(server):
    near = socket.create_connection(server.getsockname())
    return near, server.accept()[0]


def keeps_alive(connection):
    return bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))


def test_the_connections_that_are_made_inside_are_probed_and_no_others():
    with socket.create_server(("localhost", 0)) as server:
        before = connect(server)
        count = psutil.Process().num_fds()
        with probed(), open(os.devnull):
            inside = connect(server)
        after = connect(server)
        probing = [[*map(keeps_alive, pair)] for pair in (before, inside, after)]
        assert probing == [[False] * 2, [True] * 2, [False] * 2]
        for connection in inside:
            options = [
                connection.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            ]
            assert options[0] + options[1] * options[2] == SILENCE
            timeout = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert timeout == 1000 * SILENCE
        inside[0].sendall(b"open")
        assert inside[1].recv(4) == b"open"
        assert psutil.Process().num_fds() == count + 4
        for connection in (*before, *inside, *after):
            connection.close()
