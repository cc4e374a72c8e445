"""What `tlf serve` answers in a second, beside a minimal server and the model in a loop.

    python tests/benchmarks/serving.py RUN IMAGES [--requests 1000] [--clients 1 8 32] [--repeats 3]
    python tests/benchmarks/serving.py RUN IMAGES --memory 10000

RUN is a finished run, IMAGES a folder. Clients send one image after the other over loopback, from
this process. The servers are measured in turn. "In a loop": the model classifies the same images in
this process, one at a time, and 32 at a time as `tlf predict` does; no request is sent.

Prints images per second, and in which time half of the requests and 99 of 100 were answered:
medians of all turns. With --memory, it prints the memory of `tlf serve` while it answers so many
requests."""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from jobs import ENVIRONMENT, HERE
from load_generator import Load, load, resident
from measuring import machine

MINIMAL = HERE / "contestants" / "serving.py"
WARM = 50
"""Requests that come first and do not count."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", type=int, metavar="N", help="the memory over N requests")
    asked = parser.parse_args()
    from tlf.inference.predict import expand

    paths = [Path(path) for path in expand([str(asked.images)])][: asked.requests]
    if asked.memory:
        memory(asked.run, paths, asked.memory)
    else:
        compare(asked.run, paths, asked.clients, asked.requests, asked.repeats)
        for title, rate in loops(asked.run, paths):
            print(f"{title:34}{rate:10.1f}")
    print(machine("torch", "starlette", "uvicorn", "pillow", "tlf"))


def commands(run: Path) -> dict[str, list[str]]:
    """Who serves → the command."""
    tlf = [sys.executable, "-m", "tlf", "serve", str(run), "--port", "0"]
    minimal = [sys.executable, str(MINIMAL), str(run)]
    return {"tlf serve": tlf, "tlf serve --batch 1": [*tlf, "--batch", "1"], "minimal": minimal}


@contextmanager
def served(command: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """The host, the port and the process of a server, which is ended at the end."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True) as process:
        try:
            assert process.stdout
            place = urlsplit(process.stdout.readline().strip())
            assert place.hostname, f"it has ended: {command}"
            assert place.port
            yield place.hostname, place.port, process.pid
        finally:
            process.terminate()


def compare(
    run: Path, paths: Sequence[Path], clients: Sequence[int], requests: int, repeats: int
) -> None:
    """Measure all servers in turn, and print."""
    images = [path.read_bytes() for path in paths]
    turns: dict[tuple[str, int], list[Load]] = {}
    with ExitStack() as stack:
        places = {who: stack.enter_context(served(one)) for who, one in commands(run).items()}
        for host, port, _ in places.values():
            load(host, port, images, max(clients), WARM)
        for _ in range(repeats):
            for count in clients:
                for who, (host, port, _) in places.items():
                    found = load(host, port, images, count, requests)
                    turns.setdefault((who, count), []).append(found)
    print(f"{'':24}{'clients':10}{'images/s':>10}{'p50, ms':>10}{'p99, ms':>10}")
    for (who, count), found in turns.items():
        rate, half, most = (
            statistics.median(values)
            for values in zip(
                *((one.rate, one.percentile(50), one.percentile(99)) for one in found), strict=True
            )
        )
        print(f"{who:24}{count:<10}{rate:10.1f}{1000 * half:10.1f}{1000 * most:10.1f}")


def loops(run: Path, paths: Sequence[Path]) -> Iterator[tuple[str, float]]:
    """Images a second of the model alone."""
    import tlf

    classifier = tlf.load_classifier(run)
    classifier.predict(paths[0])
    begin = time.perf_counter()
    for path in paths:
        classifier.predict(path)
    yield "in a loop, one image at a time", len(paths) / (time.perf_counter() - begin)
    begin = time.perf_counter()
    for _ in classifier.each(paths):
        pass
    yield "in a loop, 32 images at a time", len(paths) / (time.perf_counter() - begin)


def memory(run: Path, paths: Sequence[Path], requests: int) -> None:
    """Print the memory of a server while it answers."""
    images = [path.read_bytes() for path in paths]
    with served(commands(run)["tlf serve"]) as (host, port, pid):

        def note(count: int) -> None:
            if count % (requests // 10) == 0:
                print(f"{count:8,} requests {resident(pid) / 2**20:8.1f} MiB", flush=True)

        load(host, port, images, 8, requests, note)


if __name__ == "__main__":
    main()
