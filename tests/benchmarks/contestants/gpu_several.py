"""tlf in several processes beside one: how much the losses differ, and how much faster it is.

Each process has a GPU; without one, they are processes of the CPU."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

from gpu_tlf import settings
from warm import Work, serve

import tlf


def main(work: Work) -> Work:
    """The largest relative difference of a loss, and the images per second."""
    alone, several = (trained(work, count) for count in (1, work["processes"]))
    pairs = [
        (getattr(own, name), getattr(other, name))
        for own, other in zip(several, alone, strict=True)
        for name in ("train_loss", "eval_loss")
    ]
    rates = [max(e.images_per_second for e in epochs) for epochs in (alone, several)]
    return {
        "loss_difference": max(abs(a - b) / abs(b) for a, b in pairs),
        "alone_rate": rates[0], "images_per_second": rates[1], "scaling": rates[1] / rates[0],
    }  # fmt: skip


def trained(work: Work, processes: int) -> list[tlf.EpochResult]:
    """The epochs of a run of so many processes.

    Raises:
        RuntimeError: one of them failed; says why.
    """
    folder = Path(mkdtemp(dir=work["folder"]))
    recipe = settings(work, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tlf", str(recipe)], stdout=subprocess.DEVNULL,
            stderr=(folder / f"errors-{rank}.txt").open("w"),
            env=os.environ | (place(rank, processes, port) if processes > 1 else {}),
        )
        for rank in range(processes)
    ]  # fmt: skip
    statuses = [process.wait() for process in started]
    if any(statuses):
        said = (folder / f"errors-{statuses.index(max(statuses, key=abs))}.txt").read_text()
        raise RuntimeError(f"it ended with {statuses}: {said[-200:]}")
    return [*tlf.read_history(folder / "run")]


def place(rank: int, processes: int, port: int) -> dict[str, str]:
    """What a launcher tells a process."""
    return {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1",
        "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_PORT": str(port),
    }  # fmt: skip


if __name__ == "__main__":
    serve(main)
