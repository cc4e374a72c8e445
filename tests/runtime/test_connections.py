"""Connections are probed, so that a dead host is noticed."""

import os
import socket

import psutil

from tlf.runtime.connections import SILENCE, probed


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
