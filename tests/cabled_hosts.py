"""Two hosts that a cable joins: each has a network, a host name, processes and shared memory of its
own. They are namespaces of this machine's kernel, so only Linux has them, and only for root.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from places import ROOT

ADDRESSES = {"anna": "10.99.7.1", "boris": "10.99.7.2"}
"""The name of each host → its address."""

_OWN = """
mount --bind "$1" /etc/hosts && mount --bind /dev/null /etc/resolv.conf &&
mount -t tmpfs tmpfs /dev/shm && hostname "$2" && shift 2 && exec "$@"
"""
"""What gives a program a table of host names, shared memory and a host name of its own."""


class Host:
    """One of them."""

    def __init__(self, name: str, address: str, space: str, folder: Path) -> None:
        """Take a namespace that exists.

        Parameters:
            name: its host name.
            address: of its end of the cable.
            space: the name of its network's namespace.
            folder: its working directory, which holds its cache.
        """
        self.name, self.address, self.folder, self._space = name, address, folder, space
        self.before = ""
        """What begins its path of modules."""
        self.names = folder.parent / f"{name}.hosts"
        # As Debian writes it: the host's own name is an address that no other host reaches.
        own = f"127.0.0.1 localhost\n127.0.1.1 {name}\n"
        others = [f"{there} {other}\n" for other, there in ADDRESSES.items() if other != name]
        self.names.write_text(own + "".join(others))

    def start(self, *words: object, **environment: str) -> "subprocess.Popen[str]":
        """Begin a program, whose children end with it, also where it is killed.

        Parameters:
            words: the program and its words.
            environment: what its environment has besides.
        """
        own = ["sh", "-c", _OWN, "sh", self.names, self.name]
        space = ["ip", "netns", "exec", self._space, "unshare", "--uts", "--mount", "--pid"]
        return subprocess.Popen(
            [*map(str, [*space, "--fork", "--kill-child", "--mount-proc", *own, *words])],
            cwd=self.folder, env=self._environment(environment), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def pull_the_cable(self) -> None:
        """Nothing reaches it any more, and nothing that it sends leaves it."""
        _ip("-n", self._space, "link", "set", "cable", "down")

    def plug_the_cable(self) -> None:
        """As at the start."""
        _ip("-n", self._space, "link", "set", "cable", "up")

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        own = {"TLF_CACHE": str(self.folder / "cache"), "PYTHONPATH": f"{self.before}{ROOT}"}
        return os.environ | own | {"OMP_NUM_THREADS": "1"} | dict(more)


def why_not() -> str:
    """Why this machine cannot make them; empty where it can."""
    missing = [name for name in ("ip", "unshare") if not shutil.which(name)]
    if missing:
        return f"{missing[0]} is not installed: iproute2 and util-linux have it"
    words = ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "ip", "link", "show"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return f"namespaces need root: {done.stderr.strip()}" if done.returncode else ""


@contextmanager
def cabled(folder: Path) -> Iterator[tuple[Host, Host]]:
    """Two hosts, which are gone after the ``with`` block.

    Parameters:
        folder: gets a folder of each.
    """
    spaces = [f"tlf-{os.getpid()}-{name}" for name in "ab"]
    try:
        for space in spaces:
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
        peer = ["peer", "name", "cable", "netns", spaces[1]]
        _ip("-n", spaces[0], "link", "add", "cable", "type", "veth", *peer)
        hosts = []
        for space, (name, address) in zip(spaces, ADDRESSES.items(), strict=True):
            _ip("-n", space, "address", "add", f"{address}/24", "dev", "cable")
            _ip("-n", space, "link", "set", "cable", "up")
            (folder / name).mkdir()
            hosts.append(Host(name, address, space, folder / name))
        yield hosts[0], hosts[1]
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)


def torchrun(
    number: int, *words: object, processes: int = 1, port: int = 29500, main: str = "10.99.7.1"
) -> list[str]:
    """What a person types on a host.

    Parameters:
        number: of the host.
        words: those of tlf.
        processes: on this host.
        port: where the processes meet, on the first host.
        main: the first host.
    """
    return [
        sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(number),
        "--nproc-per-node", str(processes), "--master-addr", main,
        "--master-port", str(port), "-m", "tlf", *map(str, words),
    ]  # fmt: skip


def ended(
    programs: list["subprocess.Popen[str]"], seconds: float = 200
) -> tuple[list[int], list[str]]:
    """The exit codes and error messages of programs that end by themselves."""
    try:
        errors = [program.communicate(timeout=seconds)[1] for program in programs]
    finally:
        for program in programs:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)
    return [program.returncode for program in programs], errors


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
