"""Figures of the server in Prometheus' text format."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import tlf

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass
class Histogram:
    """How often values were at most so large."""

    bounds: Sequence[float]
    counts: list[int] = field(init=False)
    """Values up to each bound and above the one before it; then those above all."""
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        place = next((n for n, bound in enumerate(self.bounds) if value <= bound), -1)
        self.counts[place] += 1
        self.total += value

    def lines(self, name: str) -> Iterator[str]:
        """Its samples."""
        counts = [*accumulate(self.counts)]
        for bound, count in zip((*self.bounds, "+Inf"), counts, strict=True):
            yield _sample(f"{name}_bucket", count, le=str(bound))
        yield _sample(f"{name}_sum", self.total)
        yield _sample(f"{name}_count", counts[-1])


@dataclass
class Metrics:
    """What the server has done since its start."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """Method, address and status → how many requests."""
    images: int = 0
    """Images that were classified."""
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    """From a request for predictions to its answer."""
    batches: Histogram = field(default_factory=lambda: Histogram(SIZES))
    """Images of a batch."""

    def text(self, queued: int, requests: int, models: Iterable[Mapping[str, str]]) -> str:
        """All of it.

        Parameters:
            queued: images that wait for a batch.
            requests: requests that are classified or wait for it.
            models: what identifies each model.
        """
        lines = [
            *_head("tlf_serve_info", "gauge", "The models that are served"),
            *(_sample("tlf_serve_info", 1, tlf=tlf.__version__, **model) for model in models),
            *_head("tlf_serve_requests_total", "counter", "Requests that were answered"),
            *(
                _sample("tlf_serve_requests_total", n, method=method, path=path, status=str(status))
                for (method, path, status), n in sorted(self.requests.items())
            ),
            *_head("tlf_serve_images_total", "counter", "Images that were classified"),
            _sample("tlf_serve_images_total", self.images),
            *_head("tlf_serve_queued_images", "gauge", "Images that wait for a batch"),
            _sample("tlf_serve_queued_images", queued),
            *_head("tlf_serve_queued_requests", "gauge", "Requests that wait for their answer"),
            _sample("tlf_serve_queued_requests", requests),
            *_head("tlf_serve_request_seconds", "histogram", "Seconds until predictions are sent"),
            *self.seconds.lines("tlf_serve_request_seconds"),
            *_head("tlf_serve_batch_images", "histogram", "Images that are classified together"),
            *self.batches.lines("tlf_serve_batch_images"),
        ]
        return "".join(f"{line}\n" for line in lines)


def _head(name: str, kind: str, help_: str) -> Sequence[str]:
    return f"# HELP {name} {help_}.", f"# TYPE {name} {kind}"


def _sample(name: str, value: float, /, **labels: str) -> str:
    r"""A line: a name, labels, a value.

    >>> _sample("seen", 2, run='a"b')
    'seen{run="a\\"b"} 2'
    """
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def _escaped(text: str) -> str:
    text = text.encode(errors="backslashreplace").decode()  # of bytes that are not UTF-8
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
