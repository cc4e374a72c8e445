"""Requests over HTTP, as fast as a server answers them: each client sends one after the other.

It speaks HTTP itself, over connections that stay open: a library would take more of the processor
than a small server."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Load:
    """What clients have seen."""

    seconds: float
    """From the first request to the last answer."""
    latencies: list[float]
    """Seconds of each request."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        """Seconds in which so many of 100 requests were answered."""
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def load(
    host: str, port: int, images: Sequence[bytes], clients: int, requests: int,
    done: Callable[[int], object] = lambda _: None,
) -> Load:  # fmt: skip
    """Send images in turn.

    Parameters:
        host: the server's address.
        port: its port.
        images: files; each request sends the next one.
        clients: how many connections there are.
        requests: how many requests all of them send together.
        done: called with the number of answers, after each.

    Raises:
        RuntimeError: an answer has another status than 200.
    """
    texts = [request(image) for image in images]
    return asyncio.run(_all(host, port, texts, clients, requests, done))


def request(image: bytes) -> bytes:
    """A request as it is sent."""
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {len(image)}\r\n\r\n"
    )
    return head.encode() + image


async def _all(
    host: str, port: int, texts: Sequence[bytes], clients: int, requests: int,
    done: Callable[[int], object],
) -> Load:  # fmt: skip
    numbers, latencies = iter(range(requests)), list[float]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for number in numbers:
            begin = time.perf_counter()
            writer.write(texts[number % len(texts)])
            await writer.drain()
            await _answer(reader)
            latencies.append(time.perf_counter() - begin)
            done(len(latencies))
        writer.close()
        await writer.wait_closed()

    begin = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Load(time.perf_counter() - begin, latencies)


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, length = head.partition(b"content-length:")
    body = await reader.readexactly(int(length.split(b"\r\n", 1)[0]))
    if not head.startswith(b"http/1.1 200 "):
        raise RuntimeError(f"the server must answer 200, got {head[:60]!r} {body[:200]!r}")
    return body


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
