"""Processes that begin at once: forks of one that has imported what takes seconds to import."""

import multiprocessing
import os
import runpy
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from places import ROOT

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["torch", "torchvision", "timm", "tlf.runs.run", "tlf.cli.main"])


class Fork:
    """Does what ``subprocess.Popen`` of Python does, as far as tests use it."""

    def __init__(
        self, words: Sequence[object], folder: Path, environment: Mapping[str, str], printed: Path
    ) -> None:
        """Begin.

        Parameters:
            words: the script, or ``tlf``; then its words.
            folder: its working directory.
            environment: what its environment has besides that of this process.
            printed: files of this name, ``.out`` and ``.err``, get what it prints.
        """
        self._printed = printed
        environment = os.environ | dict(environment)
        given = ([*map(str, words)], folder, environment, printed)
        self._process = _CONTEXT.Process(target=_program, args=given)
        self._process.start()

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for its end; what it printed to stdout and stderr."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it has not ended"
        out, error = (self._printed.with_suffix(suffix).read_text() for suffix in (".out", ".err"))
        return out, error

    @property
    def printed_so_far(self) -> str:
        """What it has printed to stdout until now."""
        out = self._printed.with_suffix(".out")
        return out.read_text() if out.exists() else ""

    def stop(self) -> None:
        """Ask it to end, as ``kill`` does."""
        self._process.terminate()

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self._process.kill()

    @property
    def returncode(self) -> int | None:
        """The exit code, once it has ended."""
        return self._process.exitcode


def _program(words: list[str], folder: Path, environment: Mapping[str, str], printed: Path) -> None:
    for number, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(printed.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if "OMP_NUM_THREADS" in environment:  # torch has read another one as it was imported
        import torch

        torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.path[:0] = environment.get("PYTHONPATH", str(ROOT)).split(":")
    program, sys.argv = words[0], words
    if program == "tlf":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(program, run_name="__main__")


def address() -> dict[str, str]:
    """Where the processes of a run meet, as a launcher sets it."""
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    return {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}


def run_together(count: int, words: Sequence[object], folder: Path) -> list[tuple[str, str]]:
    """Run so many processes on one machine, as torchrun does; what each has printed."""
    shared = address() | {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    forks = [
        Fork(words, ROOT, shared | {"RANK": rank, "LOCAL_RANK": rank}, folder / f"printed{rank}")
        for rank in map(str, range(count))
    ]
    try:
        printed = [fork.communicate(timeout=300) for fork in forks]
    finally:
        for fork in forks:
            fork.kill()
    assert [fork.returncode for fork in forks] == [0] * count, printed
    return printed
