"""How many images a second are read out of a tar file: from the disk, and from a web server.

    python tests/benchmarks/remote.py [--images 2000] [--bytes 50000] [--latency 0] [--repeats 3]

Reads every image once, in random order, and checks its hash. Nothing is decoded. The server is the
one of the tests, in a process of its own on this machine, and written in Python: most of the time
over HTTP is its own. ``--latency`` seconds pass before each of its answers, as on a network."""

import argparse
import multiprocessing
import random
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measuring import machine
from table import spread

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tlf.data.ranges import Object, open_object
from web_server import serving

Place = tuple[int, int, str]
"""Where an image begins, its bytes, and their hash."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--bytes", type=int, default=50_000)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        tar = Path(folder, "images.tar")
        places = make_tar(tar, asked.images, asked.bytes)
        with server(tar, asked.latency) as url:
            print(f"{'n = ' + str(asked.repeats):20}images a second")
            for name, address in {"disk": str(tar), "http": f"{url}/images.tar"}.items():
                found = open_object(address)
                for threads in (1, 8, 32):
                    rates = [rate(found, places, threads) for _ in range(asked.repeats)]
                    print(f"{name + f', {threads} threads':20}{spread(rates)}")
    print(f"{asked.bytes:,} bytes an image, latency {asked.latency} s")
    print(machine("tlf"))


def make_tar(path: Path, images: int, length: int) -> list[Place]:
    """Write a tar file of such images, in random order where they are in it."""
    drawn = random.Random(0)
    with tarfile.open(path, "w") as tar:
        for number in range(images):
            member = tarfile.TarInfo(f"{number:06}.jpg")
            member.size = length
            tar.addfile(member, BytesIO(drawn.randbytes(length)))
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        starts = [member.offset_data for member in tar]
    drawn.shuffle(starts)
    return [(at, length, sha256(whole[at : at + length]).hexdigest()) for at in starts]


def rate(found: Object, places: Sequence[Place], threads: int) -> float:
    """Images a second."""
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda place: found.read(*place), places):
            pass
    return len(places) / (time.perf_counter() - started)


@contextmanager
def server(tar: Path, latency: float) -> Iterator[str]:
    """The address of a server of a file, in a process of its own."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(tar, latency, there), daemon=True
    )
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def serve(tar: Path, latency: float, there: Any) -> None:
    """Serve a file until the process is ended."""
    with serving({f"/{tar.name}": tar.read_bytes()}) as running:
        running.latency = latency
        there.send(running.url)
        time.sleep(1e6)


if __name__ == "__main__":
    main()
